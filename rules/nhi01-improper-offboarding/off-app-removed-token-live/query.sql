-- Apps of a CRM that hold live tokens, or that rights name.
with rights as (
    select
        identity_key,
        count(*) as grants
    from grants
    where identity_key is not null
    group by identity_key
),
held as (
    select
        a.*,
        coalesce(a.tokens, 0) as live_tokens,
        coalesce(r.grants, 0) as grants
    from app_facts a
    left join rights r on r.identity_key = a.identity_key
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when h.is_installed is null then 'unknown'
        when not h.is_installed then 'fail'
        else 'pass'
    end as outcome,
    f.name as app,
    f.kind,
    case
        when h.live_tokens = 1 then 'a live token'
        when h.live_tokens > 1 then cast(h.live_tokens as varchar) || ' live tokens'
        when h.grants = 1 then 'a right that names it'
        else cast(h.grants as varchar) || ' rights that name it'
    end
    || case when h.token_users > 1 then ' of ' || cast(h.token_users as varchar) || ' users' else '' end as what,
    h.live_tokens,
    h.grants as rights,
    h.external_users as users_from_outside,
    h.partner_names as partners,
    h.oldest_token_at as oldest_token,
    h.token_last_used_at as last_use_of_a_token,
    f.derived_from as known_from
from held h
join identity_facts f on f.identity_key = h.identity_key
where f.kind = 'oauth_app'
    and h.live_tokens + h.grants > 0
    and not coalesce(f.is_provider_owned, false)
