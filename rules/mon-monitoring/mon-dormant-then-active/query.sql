-- Partners' identities that signed in of late and did not in the time before. Calls with a key are in few logs, so a credential that was
-- used meanwhile clears its identity, and one whose newest use is of late leaves open whether it was used before.
with visits as (
    select
        identity_key,
        min(case when occurred_at >= $fresh_days_before then occurred_at end) as woke_at,
        max(case when occurred_at < $fresh_days_before then occurred_at end) as before_at,
        sum(case when occurred_at >= $fresh_days_before then 1 else 0 end) as sign_ins
    from sign_ins
    where is_success
        and occurred_at <= $as_of
    group by identity_key
    having max(occurred_at) >= $fresh_days_before
),
wakings as (
    select
        s.identity_key,
        s.network,
        s.country,
        s.device,
        s.app,
        row_number() over (partition by s.identity_key order by s.occurred_at, s.event_id) as place
    from sign_ins s
    where s.is_success
        and s.occurred_at >= $fresh_days_before
        and s.occurred_at <= $as_of
),
-- tokens and passwords are used by signing in
keys as (
    select
        c.identity_key,
        max(case when c.last_used_at < $fresh_days_before then c.last_used_at end) as used_at,
        max(case when c.last_used_at >= $fresh_days_before or not coalesce(c.last_used_known, false) then 1 else 0 end) as is_open
    from credential_facts c
    where c.kind not in ('password', 'oauth_token', 'session')
    group by c.identity_key
),
judged as (
    select
        f.*,
        v.woke_at,
        v.before_at,
        v.sign_ins,
        l.history_from,
        w.network,
        w.country,
        w.device,
        w.app,
        case
            when v.before_at >= $dormant_days_before then 0
            when k.used_at >= $dormant_days_before then 0
            when f.created_at >= $dormant_days_before then 0
            when l.has_holes then 11
            when l.history_from > $dormant_days_before then 12
            when l.tenant_id is not null and l.history_from is null then 13
            when k.is_open = 1 then 14
            when v.before_at is null and f.created_at is null then 15
            else 1
        end as state
    from visits v
    join identity_facts f on f.identity_key = v.identity_key
    left join wakings w on w.identity_key = v.identity_key and w.place = 1
    left join keys k on k.identity_key = v.identity_key
    left join log_reach l on l.tenant_id = f.tenant_id and l.log = 'sign_ins'
    where f.is_partner_related
        and f.is_enabled
        and not coalesce(f.is_provider_owned, false)
)
select
    j.identity_id as subject_id,
    j.tenant_id,
    case when j.state = 0 then 'pass' when j.state > 10 then 'unknown' else 'fail' end as outcome,
    j.name as identity,
    j.kind,
    j.native_id,
    j.woke_at as woke,
    case
        when j.before_at is not null then 'the first time since ' || substr(cast(j.before_at as varchar), 1, 10)
        else 'for the first time in ' || cast($dormant_days as varchar) || ' days'
    end as after,
    case j.state
        when 11 then 'the log of sign-ins has holes'
        when 12 then 'the log of sign-ins reaches back only to ' || substr(cast(j.history_from as varchar), 1, 10)
        when 13 then 'nobody knows how far back the log of sign-ins reaches'
        when 14 then 'a key of it may have been used in between'
        when 15 then 'nobody says since when it exists'
    end as doubt,
    j.before_at as sign_in_before,
    j.history_from as log_reaches_back_to,
    j.sign_ins as sign_ins_since,
    j.network,
    j.country,
    j.device,
    j.app,
    j.partner_name as partner,
    j.level
from judged j
