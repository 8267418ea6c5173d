-- Who reaches the object, or the object of the field, and what says so; then what the permissions on the field are; twenty of each.
with internal as (
    select
        d.resource_key,
        max(r.resource_id) as resource_id,
        max(r.tenant_id) as tenant_id,
        max(d.object) as object,
        max(d.field_name) as field_name,
        min(c.register_row) as register_row
    from data_objects d
    join resources r on r.resource_key = d.resource_key
    join classifications c on lower(c.object) = lower(d.object)
        and lower(coalesce(c.field, '')) = lower(coalesce(d.field_name, ''))
        and lower(c.system) in (lower(r.provider), lower(r.tenant_id))
    where lower(c.visibility_class) = 'internal_only'
    group by d.resource_key
),
readers as (
    select
        i.resource_id,
        f.identity_id,
        f.partner_name,
        a.evidence,
        row_number() over (partition by i.resource_id order by f.identity_id) as place
    from internal i
    join resources o on o.tenant_id = i.tenant_id and o.kind = 'crm_object' and o.name = i.object
    join record_access a on a.resource_key = o.resource_key
    join identity_facts f on f.identity_key = a.identity_key
    where f.is_enabled
        and (coalesce(a.can_read, true) or coalesce(a.can_write, true))
),
permissions as (
    select
        i.resource_id,
        p.name,
        p.kind,
        g.permission,
        row_number() over (partition by i.resource_id order by p.name, p.identity_id, g.permission) as place
    from internal i
    join grants g on g.resource_key = i.resource_key
    join identities p on p.identity_key = g.identity_key
    where i.field_name is not null
)
select
    i.resource_id as subject_id,
    'class internal_only' as label,
    coalesce(i.register_row, 'row not kept') as value
from internal i
union all
select
    r.resource_id,
    'object reached by ' || r.identity_id || coalesce(' of ' || r.partner_name, ''),
    coalesce(r.evidence, 'not kept')
from readers r
where r.place <= 20
union all
select
    p.resource_id,
    'field permission of ' || p.kind || ' ' || p.name,
    p.permission
from permissions p
where p.place <= 20
