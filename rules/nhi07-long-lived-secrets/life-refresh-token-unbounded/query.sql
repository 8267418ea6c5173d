-- Apps that hold live tokens of users, and those whose policy says how long they would: of an app that only holds its own, as in HubSpot,
-- nobody can set a limit. An idle limit is no end for a token in use; where each
-- use replaces the token, a copy of it dies with the next use, so that the idle limit is enough.
with judged as (
    select
        a.*,
        coalesce(a.tokens, 0) as live_tokens,
        case when a.refresh_days > $max_refresh_days then 1 else 0 end as is_long,
        case when a.tokens > 0 and a.oldest_token_at < $max_refresh_days_before then 1 else 0 end as has_old_token,
        case when a.refresh_policy = 'idle_days' and coalesce(a.is_refresh_rotated, false) then 1 else 0 end as is_replaced
    from app_facts a
    where a.refresh_policy is not null
        or (a.tokens > 0 and a.token_users > 0)
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when j.refresh_policy = 'never_expires' or j.is_long = 1 then 'fail'
        when j.has_old_token = 1 and j.is_replaced = 0 then 'fail'
        when j.refresh_policy = 'immediate' then 'pass'
        when j.refresh_policy is null or j.refresh_days is null then 'unknown'
        when j.live_tokens > 0 and j.oldest_token_at is null and j.is_replaced = 0 then 'unknown'
        else 'pass'
    end as outcome,
    case when j.level >= 4 then 'high' else 'medium' end as severity,
    f.name as app,
    f.kind,
    case
        when j.refresh_policy = 'never_expires' then 'gets refresh tokens that never expire'
        when j.is_long = 1 and j.refresh_policy = 'idle_days'
            then 'keeps refresh tokens that were not used for ' || cast(j.refresh_days as varchar) || ' days'
        when j.is_long = 1 then 'gets refresh tokens for ' || cast(j.refresh_days as varchar) || ' days'
        else 'still holds a token of ' || substr(cast(j.oldest_token_at as varchar), 1, 10)
    end as how,
    case
        when j.refresh_policy is null then 'the policy of its refresh tokens was not read'
        when j.refresh_days is null then 'its policy sets a limit, of unknown length'
        else 'its tokens carry no date'
    end as doubt,
    j.refresh_policy,
    j.refresh_days,
    j.is_refresh_rotated as replaced_with_each_use,
    j.live_tokens,
    j.token_users as users,
    j.oldest_token_at as oldest_token,
    j.token_last_used_at as last_use_of_a_token
from judged j
join identity_facts f on f.identity_key = j.identity_key
where f.is_enabled
    and f.kind = 'oauth_app'
    and not coalesce(f.is_provider_owned, false)
