-- What holds data and is within a partner's reach. Which data is regulated is what the register's classifications say of it.
with regulated as (
    select
        lower(system) as provider,
        lower(object) as name
    from classifications
    where classification = 'regulated'
    group by lower(system), lower(object)
)
select
    r.resource_id as subject_id,
    r.tenant_id,
    case
        when r.encrypted_at_rest = 'none' then 'fail'
        when g.name is not null and r.encrypted_at_rest = 'provider' then 'fail'
        when r.encrypted_at_rest is null then 'unknown'
        else 'pass'
    end as outcome,
    case when g.name is not null then 'high' else 'medium' end as severity,
    r.kind,
    r.name as resource,
    case
        when r.encrypted_at_rest = 'none' then 'is not encrypted at rest'
        else 'holds regulated data under the provider''s key instead of one of ours'
    end as problem,
    r.partner_name as partner
from resource_facts r
left join regulated g on g.provider = lower(r.provider) and g.name = lower(r.name)
where r.kind in ('bucket', 'database', 'queue', 'topic', 'secret', 'parameter', 'content_library', 'record_set')
    and (r.is_partner_related or r.is_open_to_outside)
