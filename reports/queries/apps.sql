select
    a.identity_id,
    a.name,
    f.partner_name,
    a.is_installed,
    a.gives,
    a.scopes,
    a.tokens,
    a.token_users,
    a.external_users,
    a.partner_names as partners_of_users,
    a.oldest_token_at,
    a.token_last_used_at,
    a.level,
    a.is_approved_users_only,
    a.refresh_policy,
    a.is_network_bound
from app_facts a
join identity_facts f
  on f.identity_key = a.identity_key
order by a.level desc nulls last, a.tokens desc, a.identity_id
