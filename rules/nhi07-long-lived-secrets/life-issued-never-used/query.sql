-- Live credentials, but for the tokens that an app holds, which are the app's to renew, and sessions.
select
    c.credential_id as subject_id,
    c.tenant_id,
    case
        when c.last_used_at is not null then 'pass'
        when c.created_at >= $unused_days_before then 'pass'
        when not coalesce(c.last_used_known, false) then 'unknown'
        when c.created_at is null then 'unknown'
        when c.created_at < $unused_days_before then 'fail'
        else 'pass'
    end as outcome,
    case when c.level >= 3 then 'medium' else 'low' end as severity,
    c.kind,
    c.native_id,
    c.identity_name as identity,
    c.created_at as issued
from credential_facts c
where c.is_live
    and coalesce(c.kind, '') not in ('oauth_token', 'session')
    and not coalesce(c.is_provider_owned, false)
