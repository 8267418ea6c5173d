-- Live credentials, but for the tokens that an app holds, which are the app's to renew, and sessions. A CRM dates the sign-ins of an
-- account, however they were made: a password there was never used where the account never was, and is not judged where it was.
-- An invitation stands only as long as nobody accepted it.
with judged as (
    select
        c.*,
        case
            when c.kind = 'password' and coalesce(c.provider, '') in ('salesforce', 'hubspot') then 1
            else 0
        end as is_of_account,
        case when f.last_used_known and f.last_used_at is null then 1 else 0 end as is_account_unused,
        case when c.kind = 'invitation' then $invite_days_before else $unused_days_before end as issued_before
    from credential_facts c
    left join identity_facts f on f.identity_key = c.identity_key
)
select
    c.credential_id as subject_id,
    c.tenant_id,
    case
        when c.last_used_at is not null then 'pass'
        when c.created_at >= c.issued_before then 'pass'
        when not coalesce(c.last_used_known, false) and c.is_of_account = 0 then 'unknown'
        when c.created_at is null then 'unknown'
        when c.created_at < c.issued_before then 'fail'
        else 'pass'
    end as outcome,
    case when c.level >= 3 then 'medium' else 'low' end as severity,
    c.kind,
    c.native_id,
    c.identity_name as identity,
    c.created_at as issued
from judged c
where c.is_live
    and (c.is_of_account = 0 or c.is_account_unused = 1)
    and coalesce(c.kind, '') not in ('oauth_token', 'session')
    and not coalesce(c.is_provider_owned, false)
