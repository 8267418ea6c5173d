select
    i.partner_name,
    i.identity_id,
    i.environment,
    r.certainty,
    r.hops,
    n.identity_id as next_id,
    i.level,
    i.live_credentials
from reach r
join identity_facts i
  on i.identity_key = r.identity_key
left join identities n
  on n.identity_key = r.next_key
where r.goal = $goal
  and r.hops > 0
order by r.certainty, r.hops, i.identity_id
