-- Tenants with enabled identities or resources of partners. Credentials have the label of their identity; places where texts lie have a
-- label in nhiscan.toml and are judged with the others.
with things as (
    select
        f.tenant_id,
        f.identity_id as thing_id,
        f.environment,
        'identity ' || f.name as thing
    from identity_facts f
    where f.is_partner_related
        and f.is_enabled
        and not coalesce(f.is_provider_owned, false)
    union all
    select
        r.tenant_id,
        r.resource_id,
        r.environment,
        r.kind || ' ' || r.name
    from resource_facts r
    where r.is_partner_related
),
counted as (
    select
        tenant_id,
        count(*) as things,
        sum(case when environment is null then 1 else 0 end) as unlabelled,
        min(case when environment is null then thing end) as first_unlabelled
    from things
    group by tenant_id
),
named as (
    select tenant_id, min(name) as name
    from tenants
    group by tenant_id
)
select
    c.tenant_id as subject_id,
    c.tenant_id,
    case when c.unlabelled > $max_unknown_ratio * c.things then 'fail' else 'pass' end as outcome,
    coalesce(n.name, c.tenant_id) as tenant,
    c.unlabelled,
    c.things,
    c.first_unlabelled as for_example
from counted c
left join named n on n.tenant_id = c.tenant_id
