-- Each place and what it looks like, never a value; and the same for the tags of the identity that a workload runs as.
select
    p.resource_id as subject_id,
    coalesce(p.name, p.where_kind) as label,
    p.kind || ', ' || p.location || coalesce(', lets in as ' || p.identity_id || ' (' || p.evidence || ')', '') as value
from secret_places p
where p.resource_id is not null
    and not p.is_stored
    and p.where_kind in ('environment', 'user_data', 'tag', 'parameter', 'ci_variable')
union all
select
    r.resource_id,
    coalesce(p.name, p.where_kind),
    p.kind || ', ' || p.location || ', which it runs as'
from secret_places p
join resource_facts r on r.runs_as_id = p.holder_id
where p.is_secret
    and p.where_kind = 'tag'
