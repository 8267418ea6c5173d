-- What carries settings, and what has a secret in one of its tags. An id of a credential opens nothing alone, so it is no leak.
with leaked as (
    select
        p.resource_id,
        count(*) as places,
        count(distinct p.value_number) as secrets,
        min(coalesce(p.name, p.location)) as first_place,
        max(case when c.is_live then c.level end) as level
    from secret_places p
    left join credential_facts c on c.credential_id = p.credential_id
    where p.is_secret
        and not p.is_stored
        and p.where_kind in ('environment', 'user_data', 'tag', 'parameter', 'ci_variable', 'file')
    group by p.resource_id
)
select
    r.resource_id as subject_id,
    r.tenant_id,
    case when l.resource_id is not null then 'fail' else 'pass' end as outcome,
    case when l.level >= 4 then 'critical' else 'high' end as severity,
    r.kind,
    r.name as resource,
    r.native_id,
    case when l.secrets = 1 then 'a secret' else cast(l.secrets as varchar) || ' secrets' end as secrets,
    case
        when l.places = 1 then l.first_place
        else l.first_place || ' and ' || cast(l.places - 1 as varchar) || ' more'
    end as where_found,
    r.runs_as_id as runs_as,
    r.partner_name as partner,
    r.environment
from resource_facts r
left join leaked l on l.resource_id = r.resource_id
where r.is_workload
    or r.kind in ('parameter', 'folder')
    or l.resource_id is not null
