-- One row an OAuth app, private app, service key or API key
delete from app_facts;

insert into app_facts by name
with apps as (
    select f.*
    from identity_facts f
    where f.kind in ('oauth_app', 'private_app', 'service_key', 'api_key')
        and f.provider not in ('aws', 'vault')
),
scoped as (
    select
        identity_key,
        string_agg(distinct scope, ', ' order by scope) as scopes,
        max(case gives when 'all' then 4 when 'data' then 3 when 'self' then 2 when 'none' then 1 end) as widest,
        bool_or(gives is null) as is_open
    from app_scopes
    group by identity_key
),
-- an app's own tokens and those of its users
held as (
    select coalesce(app_key, identity_key) as app_key, identity_key as user_key, is_live, created_at, last_used_at, last_used_known
    from live
    where coalesce(app_key, identity_key) in (select identity_key from apps)
),
summed as (
    select
        h.app_key,
        count(*) filter (h.is_live) as tokens,
        count(distinct h.user_key) filter (h.is_live and h.user_key <> h.app_key) as token_users,
        count(distinct h.user_key) filter (h.is_live and h.user_key <> h.app_key and u.is_external) as external_users,
        min(h.created_at) filter (h.is_live) as oldest_token_at,
        max(h.last_used_at) as token_last_used_at,
        bool_and(coalesce(h.last_used_known, false)) as token_use_known
    from held h
    join identities u on u.identity_key = h.user_key
    group by h.app_key
),
serving as (
    select app_key, user_key as identity_key
    from held
    where is_live
    union
    select identity_key, identity_key
    from apps
),
partnered as (
    select
        s.app_key,
        count(distinct p.partner_id) as partners,
        string_agg(distinct coalesce(p.name, p.partner_id), ', ' order by coalesce(p.name, p.partner_id)) as partner_names
    from serving s
    join partners_of p using (identity_key)
    group by s.app_key
)
select
    a.identity_key,
    a.identity_id,
    a.tenant_id,
    a.name,
    a.is_installed,
    s.scopes,
    case when s.is_open and coalesce(s.widest, 0) < 4 then null else ['none', 'self', 'data', 'all'][s.widest] end as gives,
    coalesce(h.tokens, 0) as tokens,
    coalesce(h.token_users, 0) as token_users,
    coalesce(h.external_users, 0) as external_users,
    coalesce(p.partners, 0) as partners,
    p.partner_names,
    h.oldest_token_at,
    h.token_last_used_at,
    coalesce(h.token_use_known, false) as token_use_known,
    a.level,
    t.flows,
    t.is_public,
    t.is_pkce_required,
    t.refresh_policy,
    t.refresh_days,
    t.is_refresh_rotated,
    t.is_approved_users_only,
    t.is_network_bound,
    t.is_refresh_network_bound
from apps a
left join scoped s using (identity_key)
left join summed h on h.app_key = a.identity_key
left join partnered p on p.app_key = a.identity_key
left join (
    select *
    from app_settings
    qualify row_number() over (partition by identity_key order by flows, refresh_policy, refresh_days) = 1
) t on t.identity_key = a.identity_key
