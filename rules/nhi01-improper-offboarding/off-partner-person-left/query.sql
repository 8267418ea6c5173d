-- Enabled accounts of partners' people of whom the register says anything: the list of people, what the partner stated, or the domains
-- that were its own. A list of access that leaves an account out counts only for tenants of which it names another account, and for
-- accounts that were there when it was made.
with accounts as (
    select
        f.*,
        lower(trim(i.mail)) as mail
    from identity_facts f
    join identities i on i.identity_key = f.identity_key
    where f.kind = 'human_user'
        and f.is_nhi = false
        and f.is_enabled
        and f.partner_id is not null
        and not coalesce(f.is_provider_owned, false)
),
present as (
    select
        lower(trim(mail)) as address,
        min(case
            when lower(status) in ('left', 'leaver', 'inactive', 'departed') or left_on <= cast($as_of as date) then 1
            else 0
        end) as has_left,
        max(case when coalesce(lower(status), 'active') = 'active' then 1 else 0 end) as is_active,
        max(left_on) as left_on,
        min(register_row) as register_row
    from people
    where trim(mail) <> ''
        and coalesce(side, 'partner') <> 'ours'
    group by lower(trim(mail))
),
persons as (
    select
        address,
        has_left,
        is_active,
        left_on,
        register_row
    from present
    union all
    -- a present address beats a former one
    select
        lower(trim(o.old_mail)),
        min(p.has_left),
        max(p.is_active),
        max(p.left_on),
        min(p.register_row)
    from person_mails o
    join present p on p.address = lower(trim(o.mail))
    left join present q on q.address = lower(trim(o.old_mail))
    where q.address is null
    group by lower(trim(o.old_mail))
),
-- statements name an account by its id, its native id, its name or its address
names as (
    select identity_key, partner_id, tenant_id, lower(identity_id) as name from accounts
    union
    select identity_key, partner_id, tenant_id, lower(native_id) from accounts
    union
    select identity_key, partner_id, tenant_id, lower(name) from accounts
    union
    select identity_key, partner_id, tenant_id, mail from accounts
),
named as (
    select
        n.identity_key,
        n.tenant_id,
        a.partner_id,
        a.attestation_id,
        a.kind,
        a.attested_at,
        a.attested_by,
        t.answer,
        t.register_row
    from attestation_items t
    join attestations a on a.attestation_id = t.attestation_id
    join names n on n.name = lower(trim(t.subject_id)) and n.partner_id = a.partner_id
    where a.kind in ('access', 'leavers')
        and coalesce(a.attested_at <= $as_of, true)
),
said as (
    select
        n.*,
        row_number() over (
            partition by n.identity_key
            order by case when n.attested_at is null then 1 else 0 end, n.attested_at desc, n.attestation_id, n.answer
        ) as place
    from named n
),
lists as (
    select
        x.partner_id,
        x.tenant_id,
        x.attestation_id,
        x.attested_at,
        row_number() over (partition by x.partner_id, x.tenant_id order by x.attested_at desc, x.attestation_id) as place
    from (
        select distinct partner_id, tenant_id, attestation_id, attested_at
        from named
        where kind = 'access'
            and attested_at >= $attestation_max_age_days_before
    ) x
),
-- a row of a list that was not accepted may have named anybody
lost as (
    select count(*) as rows_lost
    from quarantine q
    join register_files r on r.file = q.file
    where q.row_dropped
        and r.holds = 'attestation_items'
        and q.problem not like 'says the same as %'
),
domains as (
    select
        c.identity_key,
        max(case
            when coalesce(a.valid_from <= cast($as_of as date), true) and coalesce(a.valid_to >= cast($as_of as date), true) then 1
            else 0
        end) as is_valid,
        max(a.valid_to) as valid_to,
        min(a.register_row) as register_row
    from accounts c
    join aliases a on a.partner_id = c.partner_id
    where a.kind = 'mail_domain'
        and coalesce(a.valid_from <= cast($as_of as date), true)
        and (c.mail like '%@' || lower(trim(a.value)) or c.mail like '%.' || lower(trim(a.value)))
    group by c.identity_key
),
judged as (
    select
        c.*,
        p.has_left,
        p.is_active,
        p.left_on,
        s.answer,
        s.attested_at as said_at,
        s.attested_by,
        l.attested_at as listed_at,
        d.is_valid as is_domain_valid,
        d.valid_to as domain_valid_to,
        coalesce(
            case when p.has_left = 1 then p.register_row end,
            s.register_row,
            case when d.is_valid = 0 then d.register_row end,
            p.register_row
        ) as register_row,
        case when s.answer in ('left', 'remove') then 1 else 0 end as is_said_gone,
        case
            when n.identity_key is null and coalesce(c.created_at <= l.attested_at, l.attestation_id is not null) then 1
            else 0
        end as is_left_out,
        o.rows_lost
    from accounts c
    left join persons p on p.address = c.mail
    left join said s on s.identity_key = c.identity_key and s.place = 1
    left join lists l on l.partner_id = c.partner_id and l.tenant_id = c.tenant_id and l.place = 1
    left join (select distinct identity_key, attestation_id from named) n
        on n.identity_key = c.identity_key
        and n.attestation_id = l.attestation_id
    left join domains d on d.identity_key = c.identity_key
    cross join lost o
)
select
    j.identity_id as subject_id,
    j.tenant_id,
    case
        when j.has_left = 1 or j.is_said_gone = 1 or j.is_domain_valid = 0 then 'fail'
        when j.is_left_out = 1 and (j.created_at is null or j.rows_lost > 0) then 'unknown'
        when j.is_left_out = 1 then 'fail'
        when j.answer = 'unknown' then 'unknown'
        when j.answer is null and j.has_left = 0 and j.is_active = 0 then 'unknown'
        else 'pass'
    end as outcome,
    case when j.has_left = 1 or j.is_said_gone = 1 then 'high' else 'medium' end as severity,
    j.name as identity,
    j.kind,
    j.native_id,
    coalesce(j.partner_name, j.partner_id) as partner,
    case
        when j.has_left = 1
            then 'its holder left ' || coalesce(j.partner_name, j.partner_id)
                || coalesce(' on ' || substr(cast(j.left_on as varchar), 1, 10), '')
        when j.answer = 'left'
            then coalesce(j.partner_name, j.partner_id) || ' said' || coalesce(' on ' || substr(cast(j.said_at as varchar), 1, 10), '')
                || ' that its holder left'
        when j.answer = 'remove'
            then coalesce(j.partner_name, j.partner_id) || ' asked' || coalesce(' on ' || substr(cast(j.said_at as varchar), 1, 10), '')
                || ' for it to be removed'
        when j.is_domain_valid = 0
            then 'the domain of its address has not been one of ' || coalesce(j.partner_name, j.partner_id) || ' since '
                || substr(cast(j.domain_valid_to as varchar), 1, 10)
        else 'the list of access that ' || coalesce(j.partner_name, j.partner_id) || ' confirmed on '
            || substr(cast(j.listed_at as varchar), 1, 10) || ' leaves it out'
    end as how,
    case
        when j.is_left_out = 1 and j.created_at is null
            then 'its list of access leaves the account out, which may be younger than the list'
        when j.is_left_out = 1 and j.rows_lost > 0
            then 'its list of access leaves the account out, and rows of such lists were not accepted'
        when j.answer = 'unknown' then 'the partner did not know'
        when j.has_left = 0 and j.is_active = 0 then 'the list of people does not say'
    end as doubt,
    j.register_row,
    j.attested_by as said_by,
    j.live_credentials,
    j.last_used_at as last_used
from judged j
where j.has_left is not null
    or j.answer is not null
    or j.is_left_out = 1
    or j.is_domain_valid is not null
