-- Enabled accounts of partners whose name, or mail address where the name is no better, says nothing but words that fit everybody. A
-- person of the register with that address, and a machine with an owner and a purpose, stand behind theirs. A name that says
-- something else as well, such as orders-api, is held against nobody.
with spoken as (
    select
        w.identity_key,
        w.source,
        max(w.words) as words,
        count(*) as generic,
        min(w.word) as first_word,
        max(w.word) as last_word
    from name_words w
    where w.word in $generic_patterns
    group by w.identity_key, w.source
),
named as (
    select distinct
        identity_key
    from name_words
    where source = 'name'
        and word not in $generic_patterns
),
generic as (
    select
        s.identity_key,
        min(s.first_word) as first_word,
        max(s.last_word) as last_word,
        max(case when s.source = 'name' then 1 else 0 end) as is_by_name
    from spoken s
    where s.generic = s.words
        and (s.source = 'name' or s.identity_key not in (select identity_key from named))
    group by s.identity_key
),
persons as (
    select lower(trim(mail)) as address from people where lower(coalesce(status, 'active')) = 'active' and name is not null
),
looked as (
    select
        f.*,
        i.mail,
        g.first_word,
        g.last_word,
        case when g.identity_key is null then 0 else 1 end as is_generic,
        case when p.address is null then 0 else 1 end as is_person
    from identity_facts f
    join identities i on i.identity_key = f.identity_key
    left join generic g on g.identity_key = f.identity_key
    left join (select distinct address from persons) p on p.address = lower(trim(i.mail))
    where f.is_partner_related
        and f.is_enabled
        and coalesce(f.has_access, true)
        and f.kind in ('human_user', 'service_account', 'user')
        and not coalesce(f.is_provider_owned, false)
)
select
    l.identity_id as subject_id,
    l.tenant_id,
    case
        when l.is_generic = 0 or l.is_person = 1 then 'pass'
        when l.is_nhi and l.owner_mail is not null and l.purpose is not null then 'pass'
        when l.is_nhi is null and l.owner_mail is not null and l.purpose is not null then 'unknown'
        else 'fail'
    end as outcome,
    case
        when l.is_nhi = false or l.has_console_password or l.console_last_used_at is not null then 'high'
        else 'medium'
    end as severity,
    l.name as identity,
    l.kind,
    l.native_id,
    coalesce(l.partner_name, 'a partner') as partner,
    l.first_word || case when l.last_word <> l.first_word then ', ' || l.last_word else '' end as words,
    l.mail,
    l.owner_mail as owner,
    l.purpose,
    l.has_console_password as has_password_for_a_screen,
    l.last_used_at as last_used
from looked l
