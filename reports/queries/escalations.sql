select
    e.path_id,
    e.certainty,
    coalesce(f.identity_id, fh.name) as from_id,
    coalesce(t.identity_id, th.name) as to_id,
    e.kind,
    e.is_rewriting,
    r.resource_id,
    l.name as policy,
    e.statement,
    e.evidence
from access_edges e
left join identities f
  on f.identity_key = e.from_key
left join access_hubs fh
  on fh.hub_key = e.from_key
left join identities t
  on t.identity_key = e.to_key
left join access_hubs th
  on th.hub_key = e.to_key
left join resources r
  on r.resource_key = e.resource_key
left join policies l
  on l.policy_key = e.policy_key
where e.is_rewriting
   or e.path_id <> 'sts-001' -- to assume a role that lets one in is what the role is for
order by e.path_id, e.certainty, from_id, to_id, e.kind, r.resource_id, policy, e.statement, e.evidence
