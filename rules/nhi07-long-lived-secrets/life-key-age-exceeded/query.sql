-- Live credentials of kinds that can be replaced. Passwords are left out: changing them on a schedule does harm
-- (SP 800-63B), and whether one should exist at all is another rule's question. How long the tokens that an app holds may live is one
-- of the app, in life-refresh-token-unbounded.
select
    c.credential_id as subject_id,
    c.tenant_id,
    case
        when c.created_at is null then 'unknown'
        when c.created_at < $max_age_days_before then 'fail'
        else 'pass'
    end as outcome,
    case
        when c.level >= 4 or c.age_days > 2 * $max_age_days then 'high'
        else 'medium'
    end as severity,
    c.kind,
    c.native_id,
    c.identity_name as identity,
    c.age_days,
    c.created_at
from credential_facts c
where c.is_live
    and c.is_replaceable
    and c.kind not in ('password', 'oauth_token', 'session')
