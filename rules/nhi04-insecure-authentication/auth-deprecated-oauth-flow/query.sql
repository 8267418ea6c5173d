-- Apps that are there and not the provider's own. A flow that was used counts whatever is switched on; one that the whole tenant
-- blocks does not count as switched on (whether it does is judged for itself). HubSpot shows an account neither how an installed
-- app gets its tokens nor which version of its OAuth endpoints the app calls (version 1 ends on 16 February 2027), so of HubSpot
-- only legacy private apps are judged.
with blocked as (
    select
        s.tenant_id,
        max(case when s.name = 'oauth.password_flow_blocked' and lower(s.value) = 'yes' then 1 else 0 end) as password_flow,
        max(case when s.name = 'oauth.user_agent_flow_blocked' and lower(s.value) = 'yes' then 1 else 0 end) as implicit_flow
    from setting_facts s
    where s.applies_to is null
    group by s.tenant_id
),
events as (
    select
        f.identity_key,
        i.flow,
        i.occurred_at as used_at
    from sign_ins i
    join identity_facts f on f.tenant_id = i.tenant_id and f.name = i.app
    where i.is_success
        and (i.flow in ('implicit', 'device') or (i.flow = 'password' and not i.is_interactive))
        and i.occurred_at >= $window_days_before
        and f.kind = 'oauth_app'
),
used as (
    select
        e.identity_key,
        max(case when e.flow = 'implicit' then e.used_at end) as implicit_at,
        max(case when e.flow = 'password' then e.used_at end) as password_at,
        max(case when e.flow = 'device' then e.used_at end) as device_at,
        count(*) as uses
    from events e
    group by e.identity_key
),
apps as (
    select
        f.identity_id,
        f.identity_key,
        f.tenant_id,
        f.provider,
        f.kind,
        f.name,
        a.flows,
        a.is_public,
        a.is_pkce_required,
        a.tokens,
        a.token_users,
        a.partner_names,
        coalesce(b.password_flow, 0) as is_password_blocked,
        coalesce(b.implicit_flow, 0) as is_implicit_blocked,
        ',' || lower(replace(a.flows, ' ', '')) || ',' as words
    from identity_facts f
    left join app_facts a on a.identity_key = f.identity_key
    left join blocked b on b.tenant_id = f.tenant_id
    where f.is_enabled
        and not coalesce(f.is_provider_owned, false)
        and coalesce(f.is_installed, true)
        and f.kind = case when f.provider = 'hubspot' then 'private_app' else 'oauth_app' end
),
weighed as (
    select
        p.*,
        u.implicit_at,
        u.password_at,
        u.device_at,
        u.uses,
        case
            when u.password_at is not null then 'was given tokens for a password'
            when u.implicit_at is not null then 'was given tokens by the implicit flow'
            when p.words like '%,password,%' and p.is_password_blocked = 0 then 'may exchange passwords for tokens'
            when p.words like '%,implicit,%' and p.is_implicit_blocked = 0 then 'may be given tokens by the implicit flow'
        end as worst,
        case
            when u.device_at is not null then 'was given tokens by device codes'
            when p.words like '%,device,%' then 'may be given tokens by device codes'
            when p.is_public and not p.is_pkce_required and coalesce(p.words like '%,code,%', true)
                then 'is public and its codes work without a verifier (PKCE)'
        end as lesser,
        case when p.kind = 'private_app' then 'is a legacy private app with one lasting token, where a service key would do' end as legacy
    from apps p
    left join used u on u.identity_key = p.identity_key
)
select
    w.identity_id as subject_id,
    w.tenant_id,
    case
        when coalesce(w.worst, w.lesser, w.legacy) is not null then 'fail'
        when w.words is null then 'unknown'
        when w.words not like '%,code,%' or w.is_pkce_required or not w.is_public then 'pass'
        else 'unknown'
    end as outcome,
    case when w.worst is not null then 'high' when w.lesser is not null then 'medium' else 'low' end as severity,
    w.name as app,
    coalesce(w.worst, w.lesser, w.legacy) as problem,
    case
        when coalesce(w.worst, w.lesser, w.legacy) is not null then null
        when w.words is null then 'its settings were not read'
        when w.is_public is null then 'whether it has to show a secret is not known'
        else 'whether its codes need a verifier is not known'
    end as open_question,
    w.flows as switched_on,
    coalesce(w.password_at, w.implicit_at, w.device_at) as last_use_of_the_flow,
    w.uses as uses_in_the_window,
    case when w.worst is not null then w.lesser end as besides,
    w.tokens as live_tokens,
    w.token_users as users,
    w.partner_names as partners
from weighed w
