select
    i.partner_name,
    i.identity_id,
    u.verb,
    u.level,
    u.last_used_at,
    u.known_from,
    u.services,
    u.services_unused,
    u.source,
    u.evidence
from unused_privileges u
join identity_facts i
  on i.identity_key = u.identity_key
where not u.is_used
  and u.level >= cast($level as bigint)
order by u.level desc, i.identity_id, u.verb
