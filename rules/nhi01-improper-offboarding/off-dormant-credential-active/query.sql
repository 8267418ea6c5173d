-- Live credentials; one that was never used is idle since it was made. Tokens that an app holds and sessions are left out: of an app that
-- nobody uses off-dormant-account-enabled speaks once, and a session ends by itself. So are passwords of a CRM, which dates the sign-ins
-- of an account, however they were made. Of an invitation that nobody accepted life-issued-never-used speaks.
select
    c.credential_id as subject_id,
    c.tenant_id,
    case
        when c.created_at >= $dormant_days_before then 'pass'
        when c.idle_since is null then 'unknown'
        when c.idle_since < $dormant_days_before then 'fail'
        else 'pass'
    end as outcome,
    case when c.level >= 4 then 'high' else 'medium' end as severity,
    c.kind,
    c.native_id,
    c.identity_name as identity,
    c.idle_since,
    c.created_at as created
from credential_facts c
where c.is_live
    and coalesce(c.kind, '') not in ('oauth_token', 'session', 'invitation')
    and not (c.kind = 'password' and coalesce(c.provider, '') in ('salesforce', 'hubspot'))
    and not coalesce(c.is_provider_owned, false)
