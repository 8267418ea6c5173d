-- Apps that are there and not the provider's own. Where an app's policy does not say who may use it, who let it in decides: an
-- administrator vetted it, somebody else did not.
with closed as (
    select distinct s.tenant_id
    from setting_facts s
    where s.name = 'apps.approved_only'
        and lower(s.value) = 'yes'
        and s.applies_to is null
),
consents as (
    select
        f.identity_key,
        sum(case when b.is_admin then 1 else 0 end) as by_admins,
        sum(case when not b.is_admin then 1 else 0 end) as by_others,
        max(u.occurred_at) as last_at
    from usage u
    join identity_facts f
        on f.tenant_id = u.tenant_id
        and (u.target = f.identity_id or u.target = f.native_id or u.app = f.name)
    left join identity_facts b on b.identity_id = u.identity_id
    where u.kind = 'consent'
        and u.outcome = 'success'
        and f.kind = 'oauth_app'
    group by f.identity_key
),
risky as (
    select
        s.identity_key,
        count(*) as scopes
    from app_scopes s
    where s.scope in $risky_scopes
    group by s.identity_key
),
apps as (
    select
        f.identity_id,
        f.tenant_id,
        f.name,
        f.kind,
        coalesce(f.level, a.level) as level,
        f.level_high,
        coalesce(a.scopes, '') as scopes,
        a.gives,
        a.tokens,
        a.token_users,
        a.partner_names,
        k.scopes as risky_scopes,
        c.by_admins,
        c.by_others,
        c.last_at,
        case
            when t.tenant_id is not null or a.is_approved_users_only then 'vetted'
            when not a.is_approved_users_only then 'open'
            when c.by_admins > 0 then 'vetted'
            when c.by_others > 0 then 'consented'
        end as standing
    from identity_facts f
    left join app_facts a on a.identity_key = f.identity_key
    left join closed t on t.tenant_id = f.tenant_id
    left join consents c on c.identity_key = f.identity_key
    left join risky k on k.identity_key = f.identity_key
    where f.is_enabled
        and f.kind = 'oauth_app'
        and not coalesce(f.is_provider_owned, false)
        and coalesce(f.is_installed, true)
)
select
    p.identity_id as subject_id,
    p.tenant_id,
    case
        when p.standing = 'vetted' or p.level_high < $min_level then 'pass'
        when p.standing is not null and p.level >= $min_level then 'fail'
        else 'unknown'
    end as outcome,
    case when p.gives = 'all' or p.risky_scopes > 0 then 'high' else 'medium' end as severity,
    p.name as app,
    case
        when p.standing = 'open' then 'may be let in by any user'
        else 'was let in by somebody who is no administrator'
    end as problem,
    p.level,
    coalesce(cast(p.token_users as varchar), 'an unknown number of') as users,
    nullif(p.scopes, '') as scopes,
    p.tokens as live_tokens,
    p.partner_names as partners,
    p.by_others as consents_of_others,
    p.by_admins as consents_of_administrators,
    p.last_at as last_consent
from apps p
