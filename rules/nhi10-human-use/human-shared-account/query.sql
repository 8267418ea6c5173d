-- Accounts of partners' people who signed in of late, or of which a partner said who uses them. Many devices count only in many
-- networks: a person has several of either. Two countries within the hour count only with two devices, which a VPN alone does not make.
with people as (
    select
        f.*,
        i.mail
    from identity_facts f
    join identities i on i.identity_key = f.identity_key
    where f.is_partner_related
        and f.is_enabled
        and f.kind = 'human_user'
        and not coalesce(f.is_nhi, false)
        and not coalesce(f.is_provider_owned, false)
),
-- statements name an identity by its id, its native id, its name or its address
names as (
    select identity_key, partner_id, lower(identity_id) as name from people
    union
    select identity_key, partner_id, lower(native_id) from people
    union
    select identity_key, partner_id, lower(name) from people
    union
    select identity_key, partner_id, lower(mail) from people
),
statements as (
    select
        n.identity_key,
        t.answer,
        a.attested_at,
        a.attested_by,
        t.register_row,
        row_number() over (
            partition by n.identity_key
            order by case when a.attested_at is null then 1 else 0 end, a.attested_at desc, a.attestation_id, t.answer desc
        ) as place
    from attestation_items t
    join attestations a on a.attestation_id = t.attestation_id
    join names n on n.name = lower(trim(t.subject_id)) and n.partner_id = a.partner_id
    where coalesce(a.attested_at <= $as_of, true)
),
visits as (
    select
        s.identity_key,
        s.device,
        s.network,
        s.country,
        s.minute,
        lag(s.device) over (partition by s.identity_key order by s.minute, s.event_id) as device_before,
        lag(s.country) over (partition by s.identity_key order by s.minute, s.event_id) as country_before,
        lag(s.minute) over (partition by s.identity_key order by s.minute, s.event_id) as minute_before
    from sign_ins s
    join people p on p.identity_key = s.identity_key
    where s.occurred_at >= $window_days_before
        and s.is_success
        and s.is_interactive
),
used as (
    select
        identity_key,
        count(*) as sign_ins,
        count(distinct device) as devices,
        count(distinct network) as networks,
        count(distinct country) as countries,
        sum(case
            when device <> device_before and country <> country_before and minute - minute_before <= $overlap_minutes then 1
            else 0
        end) as overlaps
    from visits
    group by identity_key
)
select
    p.identity_id as subject_id,
    p.tenant_id,
    case
        when s.answer = 'shared' then 'fail'
        when u.devices > $max_devices and u.networks > $max_devices then 'fail'
        when u.overlaps > 0 then 'fail'
        when l.has_holes or l.history_from > $window_days_before then 'unknown'
        when l.tenant_id is not null and l.history_from is null then 'unknown'
        when u.devices = 0 and u.countries = 0 then 'unknown'
        else 'pass'
    end as outcome,
    case when s.answer = 'shared' then 'high' else 'medium' end as severity,
    p.name as identity,
    p.kind,
    p.native_id,
    case
        when s.answer = 'shared' then 'is shared by several people, as ' || coalesce(p.partner_name, 'the partner') || ' itself said'
        when u.overlaps > 0
            then 'was used in two countries with two devices within ' || cast($overlap_minutes as varchar) || ' minutes'
        else 'was used with ' || cast(u.devices as varchar) || ' devices in ' || cast(u.networks as varchar) || ' networks within '
            || cast($window_days as varchar) || ' days'
    end as how,
    case
        when l.has_holes then 'the log of sign-ins has holes'
        when l.history_from > $window_days_before
            then 'the log of sign-ins reaches back only to ' || substr(cast(l.history_from as varchar), 1, 10)
        when l.tenant_id is not null and l.history_from is null then 'nobody knows how far back the log of sign-ins reaches'
        when u.devices = 0 and u.countries = 0 then 'the log of sign-ins names neither devices nor countries'
    end as doubt,
    s.attested_by as said_by,
    s.attested_at as said_on,
    s.register_row as statement_in_the_register,
    u.sign_ins,
    u.devices,
    u.networks,
    u.countries,
    u.overlaps as overlapping_sign_ins
from people p
left join used u on u.identity_key = p.identity_key
left join statements s on s.identity_key = p.identity_key and s.place = 1
left join log_reach l on l.tenant_id = p.tenant_id and l.log = 'sign_ins'
where u.identity_key is not null
    or s.answer = 'shared'
