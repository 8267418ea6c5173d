-- steps from one identity to another that a policy allows, or that lead through a workload or secret
with steps as (
    select e.from_key, e.to_key, e.kind, e.certainty, e.is_rewriting, e.path_id, e.statement, e.evidence,
           case e.certainty when 'definite' then 0 when 'conditional' then 1 else 2 end as doubt
    from access_edges e
    left join resources r
      on r.resource_key = e.resource_key
    left join policies p
      on p.policy_key = e.policy_key
    where r.resource_id = $id
       or p.policy_id = $id
)
select coalesce(f.identity_id, fh.name) as from_id, coalesce(t.identity_id, th.name) as to_id, s.kind, s.certainty,
       s.is_rewriting, s.path_id, s.statement, s.evidence, count(*) over () as total
from steps s
left join identities f
  on f.identity_key = s.from_key
left join access_hubs fh
  on fh.hub_key = s.from_key
left join identities t
  on t.identity_key = s.to_key
left join access_hubs th
  on th.hub_key = s.to_key
order by s.doubt, from_id, to_id, s.kind, s.path_id nulls first, s.statement, s.evidence
limit $most
