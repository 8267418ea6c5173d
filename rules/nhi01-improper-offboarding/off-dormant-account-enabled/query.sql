-- Identities that have to do with a partner and that somebody could use: roles count even if only our own may become them. An app with
-- live tokens of users counts whoever made it: it was let in from outside, and its tokens are told of once, here.
-- What was used or made within the time passes, even where the use of another credential cannot be known.
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when f.last_used_at >= $dormant_days_before or f.created_at >= $dormant_days_before then 'pass'
        when f.idle_since is null then 'unknown'
        when f.idle_since < $dormant_days_before then 'fail'
        else 'pass'
    end as outcome,
    case when f.level >= 4 or f.is_trusted_from_outside then 'high' else 'medium' end as severity,
    f.name as identity,
    f.kind,
    f.native_id as arn,
    f.idle_since,
    f.last_used_at as last_used,
    f.created_at as created
from identity_facts f
left join app_facts a on a.identity_key = f.identity_key
where f.is_enabled
    and (f.is_partner_related or (f.kind = 'oauth_app' and a.tokens > 0 and a.token_users > 0))
    and not coalesce(f.is_provider_owned, false)
    and (coalesce(f.has_access, true) or f.kind = 'workload_role')
