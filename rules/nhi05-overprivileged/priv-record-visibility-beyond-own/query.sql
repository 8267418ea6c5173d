-- Objects that hold deals or customers, and who of partners and outsiders sees more of them than its packages allow. Where no item of
-- a package names the object, the allowed scope counts; an item without a scope allows own records. Underscores are matched as
-- hyphens on both sides, since like would take them for any sign.
with customer_objects as (
    select
        lower(system) as system,
        lower(object) as object
    from classifications
    where lower(classification) in ('customer', 'regulated')
    group by lower(system), lower(object)
),
objects as (
    select
        d.resource_key,
        max(r.resource_id) as resource_id,
        max(r.tenant_id) as tenant_id,
        max(r.provider) as provider,
        max(r.kind) as kind,
        max(d.object) as object,
        max(d.external_sharing) as external_sharing,
        max(d.records) as records
    from data_objects d
    join resources r on r.resource_key = d.resource_key
    left join customer_objects c on c.object = lower(d.object) and c.system in (lower(r.provider), lower(r.tenant_id))
    where d.field_name is null
        and (lower(d.object) in $deal_objects or c.object is not null)
    group by d.resource_key
),
items as (
    select
        a.identity_key,
        lower(i.provider) as provider,
        lower(trim(i.environment)) as environment,
        replace(lower(trim(i.action_pattern)), '*', '%') as verbs,
        replace(replace(replace(replace(lower(trim(i.resource_pattern)), '%', '-'), '_', '-'), '*', '%'), '?', '_') as pattern,
        case lower(trim(i.record_scope)) when 'all' then 4 when 'team' then 3 when 'account' then 2 else 1 end as width
    from package_assignments g
    join identity_partners a on a.partner_id = g.partner_id
    join package_items i on i.package_id = g.package_id
    where a.verdict = 'asserted'
        and coalesce(g.assigned_at <= cast($as_of as date), true)
        and coalesce(g.expires_at >= cast($as_of as date), true)
),
allowed as (
    select
        i.identity_key,
        o.resource_key,
        max(i.width) as width
    from items i
    join identity_facts f on f.identity_key = i.identity_key
    join objects o on o.tenant_id = f.tenant_id and o.provider = i.provider
    where 'read-data' like i.verbs
        and (
            coalesce(i.pattern, '') in ('', '%')
            or 'crm/' || replace(lower(o.object), '_', '-') like i.pattern
            or replace(lower(o.object), '_', '-') like i.pattern
        )
        and (coalesce(i.environment, '') in ('', '*') or f.environment is null or i.environment = f.environment)
    group by i.identity_key, o.resource_key
),
weighed as (
    select
        a.resource_key,
        f.name,
        f.partner_id,
        f.partner_name,
        a.can_read,
        a.foreign_records,
        case a.record_scope when 'all' then 4 when 'team' then 3 when 'account' then 2 else 1 end as width,
        case a.record_scope_high when 'team' then 3 when 'account' then 2 when 'own' then 1 else 4 end as width_high,
        coalesce(
            l.width,
            case $allowed_scope when 'all' then 4 when 'team' then 3 when 'account' then 2 else 1 end
        ) as allowed,
        case when l.width is null then 0 else 1 end as is_in_package
    from record_access a
    join identity_facts f on f.identity_key = a.identity_key
    left join allowed l on l.identity_key = a.identity_key and l.resource_key = a.resource_key
    where f.is_enabled
        and not coalesce(f.is_provider_owned, false)
        and (coalesce(f.is_external, false) or f.is_partner_related)
        and coalesce(a.can_read, true)
),
judged as (
    select
        w.*,
        case
            when w.can_read and w.width > w.allowed then 2
            when w.width > w.allowed or w.width_high > w.allowed then 1
            else 0
        end as state
    from weighed w
),
counted as (
    select
        j.resource_key,
        max(j.state) as state,
        sum(case when j.state = 2 then 1 else 0 end) as sure,
        sum(case when j.state = 1 then 1 else 0 end) as unsure,
        max(case when j.state = 2 then j.width end) as width,
        min(case when j.state = 2 then j.name end) as first_name,
        count(distinct case when j.state = 2 then j.partner_id end) as partners,
        sum(case when j.state = 2 and j.partner_id is null then 1 else 0 end) as nameless,
        min(case when j.state = 2 then j.partner_name end) as first_partner,
        min(case when j.state = 2 then j.is_in_package end) as is_in_package,
        max(case when j.state = 2 then j.allowed end) as allowed,
        max(case when j.state = 1 and j.can_read is null then 1 else 0 end) as is_reading_open,
        max(case when j.state = 2 then j.foreign_records end) as foreign_records
    from judged j
    group by j.resource_key
)
select
    o.resource_id as subject_id,
    o.tenant_id,
    case coalesce(c.state, 0) when 2 then 'fail' when 1 then 'unknown' else 'pass' end as outcome,
    case when c.width = 4 then 'critical' else 'high' end as severity,
    o.kind,
    o.object,
    case c.sure when 1 then c.first_name else cast(c.sure as varchar) || ' identities' end
    || case
        when c.partners = 0 then ' from outside'
        when c.partners = 1 and c.nameless = 0 then ' of ' || c.first_partner
        when c.nameless = 0 then ' of ' || cast(c.partners as varchar) || ' partners'
        else ' of partners and from outside'
    end as who,
    case c.width
        when 4 then 'all records of ' || o.object
        when 3 then 'records of ' || o.object || ' that are shared with their groups'
        else 'every record of ' || o.object || ' that their account owns'
    end as reach,
    case
        when c.is_in_package = 1 then 'the packages of access allow fewer'
        when c.allowed > 1 then 'fewer are allowed'
        else 'no package of access allows more than their own'
    end as allowed,
    case c.unsure when 0 then null when 1 then '1 identity' else cast(c.unsure as varchar) || ' identities' end as undecided,
    case
        when c.state = 2 then null
        when c.is_reading_open = 1 then 'the permissions that let them read it were not decided'
        else 'what is shared with them was not read to the end or depends on the records'
    end as doubt,
    c.foreign_records as most_records_of_others,
    o.records,
    o.external_sharing as external_default
from objects o
left join counted c on c.resource_key = o.resource_key
