-- Core fields: those that the register protects, and the usual ones where it does not say. A guard of the object holds for all its core
-- fields. Where no permission of anybody names the field, whoever changes records may perhaps change it too.
with protected as (
    select
        lower(system) as system,
        lower(object) as object,
        lower(field) as field_name,
        max(case when protected_field then 1 else 0 end) as is_protected
    from classifications
    where field is not null
        and protected_field is not null
    group by lower(system), lower(object), lower(field)
),
guards as (
    select
        r.tenant_id,
        d.object,
        max(case when d.is_guarded then 1 else 0 end) as is_guarded
    from data_objects d
    join resources r on r.resource_key = d.resource_key
    where d.field_name is null
    group by r.tenant_id, d.object
),
core as (
    select
        d.resource_key,
        max(r.resource_id) as resource_id,
        max(r.tenant_id) as tenant_id,
        max(r.kind) as kind,
        max(d.object) as object,
        max(d.object || '.' || d.field_name) as field,
        max(case when d.is_guarded or g.is_guarded = 1 then 1 else 0 end) as is_guarded,
        max(case when d.is_guarded is null then 1 else 0 end) as is_guard_open
    from data_objects d
    join resources r on r.resource_key = d.resource_key
    left join protected p on p.object = lower(d.object)
        and p.field_name = lower(d.field_name)
        and p.system in (lower(r.provider), lower(r.tenant_id))
    left join guards g on g.tenant_id = r.tenant_id and g.object = d.object
    where d.field_name is not null
        and (p.is_protected = 1 or (p.is_protected is null and lower(d.object || '.' || d.field_name) in $core_fields))
    group by d.resource_key
),
editors as (
    select
        a.resource_key,
        count(*) as identities,
        min(f.name) as first_name,
        count(distinct f.partner_id) as partners,
        sum(case when f.partner_id is null then 1 else 0 end) as nameless,
        min(f.partner_name) as first_partner
    from field_access a
    join identity_facts f on f.identity_key = a.identity_key
    where f.is_enabled
        and not coalesce(f.is_provider_owned, false)
        and (coalesce(f.is_external, false) or f.is_partner_related)
    group by a.resource_key
),
named as (
    select
        g.resource_key,
        count(*) as grants
    from grants g
    where g.permission like '%field:%'
    group by g.resource_key
),
writers as (
    select
        o.tenant_id,
        d.object,
        count(*) as identities
    from record_access a
    join identity_facts f on f.identity_key = a.identity_key
    join data_objects d on d.resource_key = a.resource_key
    join resources o on o.resource_key = a.resource_key
    where coalesce(a.can_write, true)
        and d.field_name is null
        and f.is_enabled
        and not coalesce(f.is_provider_owned, false)
        and (coalesce(f.is_external, false) or f.is_partner_related)
    group by o.tenant_id, d.object
)
select
    c.resource_id as subject_id,
    c.tenant_id,
    case
        when c.is_guarded = 1 then 'pass'
        when e.identities > 0 and c.is_guard_open = 1 then 'unknown'
        when e.identities > 0 then 'fail'
        when n.grants is null and w.identities > 0 then 'unknown'
        else 'pass'
    end as outcome,
    c.kind,
    c.object,
    c.field,
    case e.identities when 1 then e.first_name else cast(e.identities as varchar) || ' identities' end
    || case
        when e.partners = 0 then ' from outside'
        when e.partners = 1 and e.nameless = 0 then ' of ' || e.first_partner
        when e.nameless = 0 then ' of ' || cast(e.partners as varchar) || ' partners'
        else ' of partners and from outside'
    end as who,
    case
        when e.identities > 0 and c.is_guard_open = 0 then null
        when e.identities = 1 then '1 identity may, and whether a rule or trigger stops it was not decided'
        when e.identities > 0
            then cast(e.identities as varchar) || ' identities may, and whether a rule or trigger stops them was not decided'
        else 'no permission names the field, and whoever changes records may be free to change it'
    end as doubt,
    e.identities,
    e.partners
from core c
left join editors e on e.resource_key = c.resource_key
left join named n on n.resource_key = c.resource_key
left join writers w on w.tenant_id = c.tenant_id and w.object = c.object
