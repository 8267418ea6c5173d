select
    r.resource_id,
    s.kind,
    r.environment,
    r.partner_name,
    s.updated_at,
    s.is_rotated,
    s.last_used_at,
    s.last_used_known
from stored_secrets s
join resource_facts r
  on r.resource_key = s.resource_key
cross join scans n
where s.updated_at < n.as_of - cast($days as bigint) * interval 1 day
order by s.updated_at, r.resource_id
