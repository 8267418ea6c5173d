-- Machines' identities that people could sign in with, and those of which nothing says whose they are once somebody did.
-- A password alone is held against them from level 3 on.
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when f.is_nhi is null then 'unknown'
        when f.console_last_used_at >= $window_days_before then 'fail'
        when f.has_console_password and f.level >= 3 then 'fail'
        when f.has_console_password is null then 'unknown'
        when not f.has_console_password then 'pass'
        when not coalesce(f.console_last_used_known, false) then 'unknown'
        when f.level is null or f.level_high is null or f.level_high >= 3 then 'unknown'
        else 'pass'
    end as outcome,
    case when f.console_last_used_at >= $window_days_before then 'high' else 'medium' end as severity,
    f.name as identity,
    f.kind,
    case
        when f.console_last_used_at >= $window_days_before then 'was used to sign in to the console'
        else 'has a console password and rights to change data'
    end as what,
    f.console_last_used_at as last_sign_in,
    f.has_console_password,
    f.mfa_state as second_factor
from identity_facts f
where f.is_enabled
    and f.kind <> 'workload_role'
    and not coalesce(f.is_provider_owned, false)
    and (f.is_nhi or (f.is_nhi is null and f.console_last_used_at >= $window_days_before))
