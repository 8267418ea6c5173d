-- What a scan knows of one partner that the partner can answer for: its identities that are not switched off, the people whom the
-- register names beside them, and what its own list declares that no scan has seen.
with own as (
    select distinct identity_key
    from identity_partners
    where partner_id = $partner
        and verdict = 'asserted'
),
declared as (
    select distinct declared_ref, lower(trim(declared_ref)) as folded
    from declared_identities
    where partner_id = $partner
        and trim(declared_ref) <> ''
),
accounts as (
    select
        f.identity_id,
        f.tenant_id,
        f.name,
        f.kind,
        f.is_nhi,
        f.created_at,
        f.last_used_at,
        f.last_used_known,
        lower(trim(i.mail)) as mail,
        not (coalesce(not f.is_enabled, false) and coalesce(not f.has_access, false) and coalesce(f.live_credentials, 0) = 0) as is_asked,
        lower(f.identity_id) as folded_id,
        lower(f.native_id) as folded_native_id,
        lower(f.name) as folded_name
    from own o
    join identity_facts f on f.identity_key = o.identity_key
    join identities i on i.identity_key = o.identity_key
    where not coalesce(f.is_provider_owned, false)
),
matched as (
    select distinct a.identity_id, d.declared_ref
    from accounts a
    join declared d on d.folded in (a.folded_id, a.folded_native_id, a.folded_name, a.mail)
),
asked as (
    select
        'identity' as subject_kind,
        a.identity_id as subject_id,
        a.tenant_id as system,
        a.name,
        a.kind as type,
        -- who of ours looks after an account is nobody else's business
        case when split_part(a.mail, '@', 2) not in (select lower(value) from company where kind = 'mail_domain') then a.mail end
            as mail,
        a.created_at,
        case
            when a.last_used_at is not null then strftime(a.last_used_at, '%Y-%m-%d')
            when a.last_used_known then 'never'
        end as last_used,
        case
            when (select count(*) from declared) = 0 then null
            when a.identity_id in (select identity_id from matched) then 'yes'
            else 'no'
        end as on_your_list,
        a.is_nhi
    from accounts a
    where a.is_asked
    union all
    select 'declared', d.declared_ref, null, null, null, null, null, null, 'yes', true
    from declared d
    where d.declared_ref not in (select declared_ref from matched)
    union all
    select 'person', lower(trim(p.mail)), null, min(p.name), null, lower(trim(p.mail)), null, null, null, false
    from people p
    where p.partner_id = $partner
        and coalesce(p.side, 'partner') = 'partner'
        and trim(p.mail) <> ''
        and not exists (
            select 1
            from accounts a
            left join person_mails o on lower(trim(o.old_mail)) = a.mail
            where a.is_asked
                and lower(trim(p.mail)) in (a.mail, lower(trim(o.mail)))
        )
    group by lower(trim(p.mail))
    having not bool_and(
        coalesce(lower(p.status) in ('left', 'leaver', 'inactive', 'departed'), false)
        or coalesce(p.left_on <= $today, false)
    )
)
select subject_kind, subject_id, system, name, type, mail, created_at, last_used, on_your_list
from asked
where case $kind
    when 'leavers' then is_nhi is distinct from true
    when 'nhi_inventory' then is_nhi is distinct from false
    else subject_kind <> 'person'
end
order by subject_kind, system, name, subject_id
