-- what an app may do, as whom, and how it keeps its tokens
select a.identity_key, a.is_installed, a.scopes, a.gives, a.tokens, a.token_users, a.external_users, a.partner_names,
       a.oldest_token_at, a.token_last_used_at, a.token_use_known, a.is_approved_users_only, a.is_pkce_required,
       a.refresh_policy, a.refresh_days, a.is_refresh_rotated, a.is_network_bound
from app_facts a
where a.identity_key in (select unnest($keys::bigint[]))
order by a.identity_key
