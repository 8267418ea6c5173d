-- Objects and fields that the register calls internal_only, and who of partners and outsiders reaches them. A field needs a permission
-- on itself and on its object; where no permission of anybody names it, the provider may not ask for one, and it stays open.
with internal as (
    select
        d.resource_key,
        max(r.resource_id) as resource_id,
        max(r.tenant_id) as tenant_id,
        max(r.kind) as kind,
        max(d.object) as object,
        max(d.field_name) as field_name,
        max(o.resource_key) as object_key
    from data_objects d
    join resources r on r.resource_key = d.resource_key
    join classifications c on lower(c.object) = lower(d.object)
        and lower(coalesce(c.field, '')) = lower(coalesce(d.field_name, ''))
        and lower(c.system) in (lower(r.provider), lower(r.tenant_id))
    left join resources h on h.tenant_id = r.tenant_id and h.kind = 'crm_object' and h.name = d.object
    left join data_objects o on o.resource_key = h.resource_key and o.field_name is null
    where lower(c.visibility_class) = 'internal_only'
    group by d.resource_key
),
field_grants as (
    select
        i.resource_key,
        g.identity_key,
        case when coalesce(g.has_other_conditions, false) then 1 else 2 end as state,
        case when g.permission like '%field:edit%' then 1 else 0 end as is_writing
    from internal i
    join grants g on g.resource_key = i.resource_key
    where i.field_name is not null
        and g.permission like '%field:%'
        and coalesce(g.expires_at > $as_of, true)
),
field_holders as (
    select resource_key, identity_key, state, is_writing
    from field_grants
    union all
    select g.resource_key, m.identity_key, g.state, g.is_writing
    from field_grants g
    join memberships m on m.group_key = g.identity_key
    union all
    select g.resource_key, m.identity_key, g.state, g.is_writing
    from field_grants g
    join memberships u on u.group_key = g.identity_key
    join memberships m on m.group_key = u.identity_key
),
holders as (
    select
        resource_key,
        identity_key,
        max(state) as state,
        max(is_writing) as is_writing
    from field_holders
    group by resource_key, identity_key
),
governed as (
    select
        resource_key,
        count(*) as grants
    from field_grants
    group by resource_key
),
weighed as (
    select
        i.resource_key,
        f.name,
        f.partner_id,
        f.partner_name,
        case
            when a.can_read is null and coalesce(a.can_write, true) then 1
            when not coalesce(a.can_read, false) and not coalesce(a.can_write, false) then 0
            when i.field_name is null then 2
            when h.state is not null then h.state
            when g.grants is null then 1
            else 0
        end as state,
        case when i.field_name is null then (case when a.can_write then 1 else 0 end) else coalesce(h.is_writing, 0) end as is_writing,
        case when i.field_name is not null and g.grants is null then 1 else 0 end as is_unnamed
    from internal i
    join record_access a on a.resource_key = coalesce(i.object_key, i.resource_key)
    join identity_facts f on f.identity_key = a.identity_key
    left join holders h on h.resource_key = i.resource_key and h.identity_key = a.identity_key
    left join governed g on g.resource_key = i.resource_key
    where f.is_enabled
        and not coalesce(f.is_provider_owned, false)
        and (coalesce(f.is_external, false) or f.is_partner_related)
),
counted as (
    select
        w.resource_key,
        max(w.state) as state,
        sum(case when w.state = 2 then 1 else 0 end) as sure,
        min(case when w.state = 2 then w.name end) as first_name,
        count(distinct case when w.state = 2 then w.partner_id end) as partners,
        sum(case when w.state = 2 and w.partner_id is null then 1 else 0 end) as nameless,
        min(case when w.state = 2 then w.partner_name end) as first_partner,
        max(case when w.state = 2 then w.is_writing else 0 end) as is_writing,
        sum(case when w.state = 1 then 1 else 0 end) as unsure,
        max(w.is_unnamed) as is_unnamed
    from weighed w
    group by w.resource_key
)
select
    i.resource_id as subject_id,
    i.tenant_id,
    case coalesce(c.state, 0) when 2 then 'fail' when 1 then 'unknown' else 'pass' end as outcome,
    i.kind,
    i.object,
    i.object || coalesce('.' || i.field_name, '') as what,
    case c.sure when 1 then c.first_name else cast(c.sure as varchar) || ' identities' end
    || case
        when c.partners = 0 then ' from outside'
        when c.partners = 1 and c.nameless = 0 then ' of ' || c.first_partner
        when c.nameless = 0 then ' of ' || cast(c.partners as varchar) || ' partners'
        else ' of partners and from outside'
    end as who,
    case when c.is_writing = 1 then 'read or change' else 'read' end as how,
    case
        when c.state = 2 then null
        when c.is_unnamed = 1 then 'no permission names the field, so that it may be open with its object'
        else 'the permissions of ' || case c.unsure when 1 then '1 identity' else cast(c.unsure as varchar) || ' identities' end
            || ' were not decided'
    end as doubt,
    c.sure as identities,
    c.partners
from internal i
left join counted c on c.resource_key = i.resource_key
