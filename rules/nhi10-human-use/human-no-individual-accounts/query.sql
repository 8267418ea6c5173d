-- Partners of whom the register names several people, and who hold an account that people could sign in with. Machines' accounts
-- count as logins where people sign in with them, and never as somebody's own.
with contacts as (
    select
        partner_id,
        count(distinct lower(trim(mail))) as contacts
    from people
    where partner_id is not null
        and coalesce(side, 'partner') = 'partner'
        and coalesce(lower(status), 'active') not in ('left', 'leaver', 'inactive', 'departed')
        and coalesce(left_on > cast($as_of as date), true)
    group by partner_id
    having count(distinct lower(trim(mail))) >= $min_contacts
),
-- accounts may have been missed; that apps and keys are listed nowhere hides no account of a person
unread as (
    select distinct tenant_id
    from coverage
    where dataset = 'identities'
        and status not in ('complete', 'not_applicable', 'unsupported')
),
visits as (
    select
        identity_key,
        count(*) as sign_ins
    from sign_ins
    where occurred_at >= $window_days_before
        and is_success
        and is_interactive
    group by identity_key
),
accounts as (
    select
        f.partner_id,
        case when f.is_nhi = false then 1 else 0 end as is_person,
        case when f.is_nhi is null then 1 else 0 end as is_open,
        case
            when coalesce(f.is_nhi, false) and v.identity_key is null and not coalesce(f.has_console_password, false) then 0
            else 1
        end as is_login,
        coalesce(v.sign_ins, 0) as sign_ins,
        case
            when l.tenant_id is null then 1
            when l.has_holes or coalesce(l.history_from > $window_days_before, true) then 1
            else 0
        end as is_unseen,
        case when n.tenant_id is null then 0 else 1 end as is_unread
    from identity_facts f
    left join visits v on v.identity_key = f.identity_key
    left join log_reach l on l.tenant_id = f.tenant_id and l.log = 'sign_ins'
    left join unread n on n.tenant_id = f.tenant_id
    where f.partner_id is not null
        and f.is_enabled
        and not coalesce(f.is_provider_owned, false)
),
counted as (
    select
        partner_id,
        sum(is_person) as persons,
        sum(is_open) as open_accounts,
        sum(sign_ins) as sign_ins,
        max(is_login * is_unseen) as is_unseen,
        max(is_unread) as is_unread
    from accounts
    group by partner_id
    having max(is_login) = 1
)
select
    p.partner_id as subject_id,
    cast(null as varchar) as tenant_id,
    case
        when a.persons > 1 then 'pass'
        when a.sign_ins > $single_user_logins and a.persons + a.open_accounts < 2 and a.is_unread = 0 then 'fail'
        when a.sign_ins > $single_user_logins then 'unknown'
        when a.is_unseen = 1 then 'unknown'
        else 'pass'
    end as outcome,
    p.name as partner,
    c.contacts,
    case
        when a.persons = 1 then 'one account of a person'
        else 'no account of a person'
    end as accounts,
    a.sign_ins,
    $window_days as window_in_days,
    case
        when a.persons > 1 then null
        when a.open_accounts > 0
            then 'of ' || cast(a.open_accounts as varchar) || ' of its accounts nobody knows whether they are people''s'
        when a.is_unread = 1 then 'not all accounts were read'
        when a.is_unseen = 1 then 'sign-ins with its accounts were not read for the whole time'
    end as doubt
from partner_facts p
join contacts c on c.partner_id = p.partner_id
join counted a on a.partner_id = p.partner_id
