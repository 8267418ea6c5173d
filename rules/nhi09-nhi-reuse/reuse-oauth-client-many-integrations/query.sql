-- Apps that act as machines' identities by live tokens. People who let a vendor's app act for them are its customers and no
-- integrations, so that only machines' identities count: by the partners whose they are, the app's own among them, and by what they are for.
with users as (
    select distinct
        a.identity_key as app_key,
        u.identity_key as user_key,
        u.partner_id,
        coalesce(u.partner_name, u.partner_id) as partner,
        nullif(lower(trim(u.purpose)), '') as purpose,
        case
            when u.is_nhi is null then 1
            when u.partner_id is null and (coalesce(u.is_external, false) or coalesce(u.is_partner_disputed, false)) then 1
            else 0
        end as is_open,
        case when u.is_nhi then 1 else 0 end as is_machine
    from app_facts a
    join credential_facts c on c.app_id = a.identity_id
    join identity_facts u on u.identity_key = c.identity_key
    where c.is_live
        and u.identity_key <> a.identity_key
        and coalesce(u.is_nhi, true)
        and not coalesce(u.is_provider_owned, false)
),
of_partners as (
    select
        app_key,
        partner_id,
        partner
    from users
    where is_machine = 1
        and partner_id is not null
    union
    select
        p.identity_key,
        p.partner_id,
        coalesce(n.name, p.partner_id)
    from identity_partners p
    join app_facts a on a.identity_key = p.identity_key
    left join partner_facts n on n.partner_id = p.partner_id
    where p.verdict = 'asserted'
        and p.role = 'operator'
),
partners_of as (
    select
        app_key,
        count(distinct partner_id) as partners,
        min(partner) as first_partner,
        max(partner) as last_partner
    from of_partners
    group by app_key
),
counted as (
    select
        app_key,
        sum(is_machine) as machines,
        count(distinct case when is_machine = 1 then purpose end) as purposes,
        min(case when is_machine = 1 then purpose end) as first_purpose,
        max(case when is_machine = 1 then purpose end) as last_purpose,
        sum(is_open) as open_users
    from users
    group by app_key
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when c.machines > 0 and p.partners > 1 then 'fail'
        when c.purposes > 1 then 'fail'
        when f.is_partner_disputed and c.machines > 0 then 'unknown'
        when c.open_users > 0 and c.machines + c.open_users > 1 then 'unknown'
        when c.open_users > 0 and p.partners > 0 then 'unknown'
        else 'pass'
    end as outcome,
    f.name as app,
    f.kind,
    case
        when p.partners = 2 then 'the integrations of two partners, ' || p.first_partner || ' and ' || p.last_partner
        when p.partners > 2
            then 'the integrations of ' || cast(p.partners as varchar) || ' partners, ' || p.first_partner || ' … ' || p.last_partner || ' by name'
        else cast(c.purposes as varchar) || ' integrations, ' || c.first_purpose || ' and ' || c.last_purpose || ' among them'
    end as how,
    case
        when f.is_partner_disputed then 'two partners claim it'
        else 'of ' || cast(c.open_users as varchar) || ' of the identities that it acts as, nobody knows whose they are'
    end as doubt,
    p.partners,
    c.purposes,
    c.machines as machine_identities
from counted c
join identity_facts f on f.identity_key = c.app_key
left join partners_of p on p.app_key = c.app_key
where f.is_enabled
    and not coalesce(f.is_provider_owned, false)
