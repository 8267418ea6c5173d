-- Apps that are there, not the provider's own, and may hold refresh tokens: one row an app, naming all that it lacks. PKCE only
-- matters to whoever is given codes; an app whose tokens work from named networks only has its refresh tokens bound too. HubSpot
-- has no such settings for an account, so its apps are left out.
with refreshing as (
    select
        s.identity_key,
        max(case when s.scope in $refresh_scopes then 1 else 0 end) as has_refresh
    from app_scopes s
    group by s.identity_key
),
apps as (
    select
        f.identity_id,
        f.tenant_id,
        f.name,
        f.kind,
        case when coalesce(f.level, a.level) >= $strong_level then 'high' else 'medium' end as severity,
        coalesce(f.level, a.level) as level,
        a.refresh_policy,
        a.tokens,
        a.token_users,
        a.partner_names,
        case
            when a.is_pkce_required or ',' || lower(replace(a.flows, ' ', '')) || ',' not like '%,code,%' then 1
            when not a.is_pkce_required then 0
        end as has_pkce,
        case when a.is_refresh_rotated then 1 when not a.is_refresh_rotated then 0 end as has_rotation,
        case when a.refresh_policy = 'never_expires' then 0 when a.refresh_policy is not null then 1 end as has_end,
        case
            when a.is_refresh_network_bound or a.is_network_bound then 1
            when not a.is_refresh_network_bound then 0
        end as has_networks
    from identity_facts f
    left join app_facts a on a.identity_key = f.identity_key
    left join refreshing r on r.identity_key = f.identity_key
    where f.is_enabled
        and f.kind = 'oauth_app'
        and f.provider <> 'hubspot'
        and not coalesce(f.is_provider_owned, false)
        and coalesce(f.is_installed, true)
        and coalesce(r.has_refresh, 1) = 1
        and coalesce(a.refresh_policy, '') <> 'immediate'
),
named as (
    select
        p.*,
        case when p.has_pkce = 0 then ', PKCE' else '' end
        || case when p.has_rotation = 0 then ', rotation of refresh tokens' else '' end
        || case when p.has_end = 0 then ', an end of refresh tokens without use' else '' end
        || case when p.has_networks = 0 then ', a list of addresses for refresh tokens' else '' end as missing,
        case when p.has_pkce is null then ', PKCE' else '' end
        || case when p.has_rotation is null then ', rotation of refresh tokens' else '' end
        || case when p.has_end is null then ', an end of refresh tokens without use' else '' end
        || case when p.has_networks is null then ', a list of addresses for refresh tokens' else '' end as unclear
    from apps p
)
select
    n.identity_id as subject_id,
    n.tenant_id,
    case when n.missing <> '' then 'fail' when n.unclear <> '' then 'unknown' else 'pass' end as outcome,
    n.severity,
    n.name as app,
    substr(n.missing, 3) as missing,
    nullif(substr(n.unclear, 3), '') as unclear,
    n.level,
    n.refresh_policy as end_of_refresh_tokens,
    n.tokens as live_tokens,
    n.token_users as users,
    n.partner_names as partners
from named n
