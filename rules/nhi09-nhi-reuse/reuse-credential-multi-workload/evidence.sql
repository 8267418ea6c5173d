-- The workloads that carry it, and the places and programs that it was used from.
select
    p.credential_id as subject_id,
    'in ' || p.holder_id as label,
    coalesce(p.name || ', ', '') || p.location as value
from secret_places p
join resource_facts r on r.resource_id = p.resource_id
where p.credential_id is not null
    and r.is_workload
union all
select
    s.credential_id,
    'used with ' || s.program,
    'in network ' || s.network || ', ' || cast(s.uses as varchar) || ' times, last at ' || cast(s.last_used_at as varchar)
from credential_sources s
