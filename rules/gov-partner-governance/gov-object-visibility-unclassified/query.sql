-- Objects of a CRM that somebody from outside can see or change, and fields that somebody can change and of which the register
-- speaks; what is said of an object holds for the fields of which nothing is said. The register may speak of one tenant, which
-- comes before what it says of all tenants of a system.
with seen as (
    select
        a.resource_key,
        count(distinct a.identity_key) as identities,
        count(distinct f.partner_id) as partners,
        min(f.partner_name) as one_partner,
        max(case when a.can_write then 1 else 0 end) as can_write
    from record_access a
    join identity_facts f on f.identity_key = a.identity_key
    where f.is_enabled
        and (a.can_read or a.can_write)
    group by a.resource_key
    union all
    select
        a.resource_key,
        count(distinct a.identity_key),
        count(distinct f.partner_id),
        min(f.partner_name),
        1
    from field_access a
    join identity_facts f on f.identity_key = a.identity_key
    where f.is_enabled
    group by a.resource_key
),
decided as (
    select
        lower(c.system) as system,
        lower(c.object) as object,
        lower(coalesce(c.field, '')) as field,
        max(lower(trim(c.visibility_class))) as visibility,
        max(case when lower(c.classification) in ('customer', 'regulated') then 1 else 0 end) as is_sensitive,
        max(c.register_row) as register_row
    from classifications c
    group by lower(c.system), lower(c.object), lower(coalesce(c.field, ''))
)
select
    r.resource_id as subject_id,
    r.tenant_id,
    case
        when coalesce(t.visibility, d.visibility) in ('external_allowed', 'internal_only') then 'pass'
        when coalesce(t.visibility, d.visibility, '') in ('', 'unclassified') then 'fail'
        else 'unknown'
    end as outcome,
    case when t.is_sensitive = 1 or d.is_sensitive = 1 then 'medium' else 'low' end as severity,
    o.object || coalesce('.' || o.field_name, '') as object,
    s.identities,
    case when s.can_write = 1 then 'change' else 'see' end as permission,
    coalesce(t.visibility, d.visibility, 'nothing') as decision,
    s.partners,
    s.one_partner,
    coalesce(t.register_row, d.register_row) as register_row
from seen s
join resource_facts r on r.resource_key = s.resource_key
join data_objects o on o.resource_key = s.resource_key
left join decided t
    on t.system = lower(r.tenant_id)
    and t.object = lower(o.object)
    and t.field = lower(coalesce(o.field_name, ''))
left join decided d
    on d.system = r.provider
    and d.object = lower(o.object)
    and d.field = lower(coalesce(o.field_name, ''))
where o.field_name is null
    or d.field is not null
    or t.field is not null
