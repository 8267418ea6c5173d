-- Machines' identities that people could sign in with, and those of which nothing says whose they are once somebody did. Apps and keys
-- are left out: nobody signs in as one. A password alone is held against them from level 3 on.
with visits as (
    select
        identity_key,
        max(occurred_at) as last_at
    from sign_ins
    where is_success
        and is_interactive
    group by identity_key
),
accounts as (
    select
        f.*,
        case when coalesce(v.last_at > f.console_last_used_at, v.last_at is not null) then v.last_at else f.console_last_used_at end
            as last_sign_in
    from identity_facts f
    left join visits v on v.identity_key = f.identity_key
    where f.is_enabled
        and f.kind not in ('workload_role', 'oauth_app', 'private_app', 'service_key', 'api_key')
        and not coalesce(f.is_provider_owned, false)
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when f.is_nhi is null then 'unknown'
        when f.last_sign_in >= $window_days_before then 'fail'
        when f.has_console_password and f.level >= 3 then 'fail'
        when f.has_console_password is null then 'unknown'
        when not f.has_console_password then 'pass'
        when not coalesce(f.console_last_used_known, false) then 'unknown'
        when f.level is null or f.level_high is null or f.level_high >= 3 then 'unknown'
        else 'pass'
    end as outcome,
    case when f.last_sign_in >= $window_days_before then 'high' else 'medium' end as severity,
    f.name as identity,
    f.kind,
    case
        when f.last_sign_in >= $window_days_before then 'was used by a person to sign in'
        else 'has a console password and rights to change data'
    end as what,
    f.last_sign_in,
    f.native_id,
    f.has_console_password,
    f.mfa_state as second_factor
from accounts f
where f.is_nhi
    or (f.is_nhi is null and f.last_sign_in >= $window_days_before)
