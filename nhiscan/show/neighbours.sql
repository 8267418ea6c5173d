-- who is one step away, directly or behind a hub, each by the surest way; behind a hub may stand a million
with edges as (
    select case when $inward then e.to_key else e.from_key end as own,
           case when $inward then e.from_key else e.to_key end as other,
           e.kind, e.certainty, coalesce(e.is_rewriting, false) as is_rewriting, e.path_id, e.policy_key, e.evidence
    from access_edges e
),
hubs as (
    select e.other as hub_key, e.kind, e.certainty, e.is_rewriting, e.path_id, e.policy_key, e.evidence
    from edges e
    where e.own = $key
      and e.other < 0
),
steps as (
    select e.other as neighbour, e.kind, e.certainty, e.is_rewriting, e.path_id, e.policy_key, e.evidence,
           cast(null as bigint) as hub_key
    from edges e
    where e.own = $key
      and e.other >= 0
    union all
    select e.other, coalesce(h.kind, e.kind),
           case when h.certainty = 'definite' then e.certainty
                when e.certainty = 'potential' then e.certainty
                else h.certainty end,
           h.is_rewriting or e.is_rewriting, coalesce(h.path_id, e.path_id), coalesce(h.policy_key, e.policy_key),
           coalesce(h.evidence, e.evidence), h.hub_key
    from hubs h
    join edges e
      on e.own = h.hub_key and e.other >= 0 and (e.other <> $key or h.is_rewriting or e.is_rewriting)
),
ranked as (
    select s.*,
           case s.certainty when 'definite' then 0 when 'conditional' then 1 else 2 end as doubt,
           count(*) over (partition by s.neighbour) as ways,
           row_number() over (
               partition by s.neighbour
               order by case s.certainty when 'definite' then 0 when 'conditional' then 1 else 2 end,
                        case when s.is_rewriting then 0 else 1 end, s.path_id nulls first, s.kind, s.hub_key desc,
                        s.policy_key, s.evidence
           ) as rank
    from steps s
),
listed as (
    select r.*, i.identity_id, count(*) over () as total
    from ranked r
    left join identities i
      on i.identity_key = r.neighbour
    where r.rank = 1
    order by r.doubt, i.identity_id, r.neighbour
    limit $most
)
select n.identity_id, n.kind, n.certainty, n.is_rewriting, n.path_id, h.name as through, l.name as policy, n.evidence,
       n.ways, n.total
from listed n
left join access_hubs h
  on h.hub_key = n.hub_key
left join policies l
  on l.policy_key = n.policy_key
order by n.doubt, n.identity_id, n.neighbour
