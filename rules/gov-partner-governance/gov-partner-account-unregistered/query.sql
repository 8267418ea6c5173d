-- One row a tenant with partner accounts. An account is in the register by its id, its domain or its name; a partner is from there
-- when the register was exported from this kind of system or holds an account id of it, and missing when no tenant of the system
-- has the account. A Salesforce id is the same with 15 and 18 characters.
with known_ids as (
    select
        case when lower(p.source_system) = 'salesforce' then substr(trim(p.source_id), 1, 15) else trim(p.source_id) end as id,
        lower(p.source_system) as provider,
        p.partner_id
    from partners p
    where p.source_system is not null
        and p.source_id is not null
    union
    select
        case when a.kind = 'salesforce_account' then substr(trim(a.value), 1, 15) else trim(a.value) end,
        case when a.kind = 'salesforce_account' then 'salesforce' else 'hubspot' end,
        a.partner_id
    from aliases a
    where a.kind in ('salesforce_account', 'hubspot_company')
        and coalesce(a.valid_to >= cast($as_of as date), true)
),
accounts as (
    select
        c.tenant_id,
        c.provider,
        c.name,
        c.is_active,
        case when c.provider = 'salesforce' then substr(c.account_id, 1, 15) else c.account_id end as id,
        lower(c.domain) as domain
    from partner_accounts c
),
domains as (
    select distinct lower(trim(a.value)) as domain
    from aliases a
    where a.kind = 'mail_domain'
        and a.value is not null
        and coalesce(a.valid_to >= cast($as_of as date), true)
),
names as (
    select lower(trim(p.name)) as name
    from partners p
    where p.name is not null
    union
    select lower(trim(p.legal_name))
    from partners p
    where p.legal_name is not null
),
unmatched as (
    select
        a.tenant_id,
        a.name,
        case when a.is_active is null then 1 else 0 end as is_unclear,
        row_number() over (
            partition by a.tenant_id, case when a.is_active is null then 1 else 0 end
            order by a.name, a.id
        ) as place
    from accounts a
    where coalesce(a.is_active, true)
        and not exists (select 1 from known_ids k where k.provider = a.provider and k.id = a.id)
        and coalesce(a.domain, '') not in (select d.domain from domains d)
        and lower(trim(a.name)) not in (select n.name from names n)
),
lacking as (
    select
        coalesce(u.tenant_id, '') as tenant_id,
        sum(1 - u.is_unclear) as unregistered,
        sum(u.is_unclear) as unclear,
        max(case when u.is_unclear = 0 and u.place = 1 then u.name end) as first_name,
        max(case when u.is_unclear = 0 and u.place = 2 then u.name end) as second_name,
        max(case when u.is_unclear = 0 and u.place = 3 then u.name end) as third_name
    from unmatched u
    group by coalesce(u.tenant_id, '')
),
tenants_read as (
    select
        a.tenant_id,
        a.provider,
        count(*) as accounts,
        sum(case when coalesce(a.is_active, true) then 1 else 0 end) as active
    from accounts a
    group by a.tenant_id, a.provider
),
absent as (
    select
        k.provider,
        k.partner_id,
        max(coalesce(p.name, k.partner_id)) as name
    from known_ids k
    join partners p on p.partner_id = k.partner_id
    where coalesce(lower(p.status), '') not in ('ended', 'inactive', 'terminated')
    group by k.provider, k.partner_id
    having max(case when k.id in (select a.id from accounts a where coalesce(a.is_active, true)) then 1 else 0 end) = 0
),
placed as (
    select
        a.*,
        row_number() over (partition by a.provider order by a.name, a.partner_id) as place
    from absent a
),
gone as (
    select
        p.provider,
        count(*) as missing,
        max(case when p.place = 1 then p.name end) as first_name,
        max(case when p.place = 2 then p.name end) as second_name,
        max(case when p.place = 3 then p.name end) as third_name
    from placed p
    group by p.provider
)
select
    t.tenant_id as subject_id,
    t.tenant_id,
    case
        when l.unregistered > 0 or g.missing > 0 then 'fail'
        when l.unclear > 0 then 'unknown'
        else 'pass'
    end as outcome,
    coalesce(n.name, t.tenant_id) as tenant,
    case
        when l.unregistered > 0
            then cast(l.unregistered as varchar) || ' of ' || cast(t.active as varchar)
                || ' partner accounts are not in the register (' || l.first_name || coalesce(', ' || l.second_name, '')
                || coalesce(', ' || l.third_name, '') || case when l.unregistered > 3 then ', …)' else ')' end
        else ''
    end
    || case when l.unregistered > 0 and g.missing > 0 then '; ' else '' end
    || case
        when g.missing > 0
            then cast(g.missing as varchar) || ' partners that the register has from there are no partner accounts any more ('
                || g.first_name || coalesce(', ' || g.second_name, '') || coalesce(', ' || g.third_name, '')
                || case when g.missing > 3 then ', …)' else ')' end
        else ''
    end as problem,
    t.active as accounts,
    coalesce(l.unregistered, 0) as accounts_not_in_the_register,
    coalesce(g.missing, 0) as partners_without_an_account,
    l.unclear
from tenants_read t
left join lacking l on l.tenant_id = t.tenant_id
left join gone g on g.provider = t.provider
left join tenants n on n.tenant_id = t.tenant_id
