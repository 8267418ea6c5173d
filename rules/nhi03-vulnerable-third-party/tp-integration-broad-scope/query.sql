-- Apps that have to do with a partner. A scope for data alone is broad when the token lasts. Whose package allows all that the app
-- can do, and whose users surely hold few rights, passes.
with scopes as (
    select
        s.identity_key,
        max(case when s.scope in $broad_scopes then s.scope end) as everything,
        max(case when s.scope in $data_scopes then s.scope end) as data,
        max(case when s.scope in $lasting_scopes then s.scope end) as lasting
    from app_scopes s
    group by s.identity_key
),
packaged as (
    select distinct p.partner_id
    from package_assignments p
    where coalesce(p.assigned_at <= cast($as_of as date), true)
        and coalesce(p.expires_at >= cast($as_of as date), true)
),
excess as (
    select
        e.identity_key,
        count(*) as rights
    from package_excess e
    group by e.identity_key
),
apps as (
    select
        f.identity_id,
        f.tenant_id,
        f.name,
        f.kind,
        f.level,
        f.level_high,
        f.partner_id,
        f.partner_name,
        a.scopes,
        a.tokens,
        a.token_users,
        a.external_users,
        case
            when s.everything is not null then s.everything
            when s.data is not null and s.lasting is not null then s.data || ' and ' || s.lasting
        end as broad,
        case when s.everything is not null then 1 else 0 end as is_everything,
        case when g.partner_id is not null and x.identity_key is null then 1 else 0 end as is_allowed,
        x.rights as rights_beyond_its_packages
    from identity_facts f
    left join app_facts a on a.identity_key = f.identity_key
    left join scopes s on s.identity_key = f.identity_key
    left join packaged g on g.partner_id = f.partner_id
    left join excess x on x.identity_key = f.identity_key
    where f.is_enabled
        and f.kind = 'oauth_app'
        and (f.is_partner_related or f.is_external or a.partners > 0)
        and not coalesce(f.is_provider_owned, false)
        and coalesce(f.is_installed, true)
)
select
    p.identity_id as subject_id,
    p.tenant_id,
    case
        when p.scopes is null and p.broad is null then 'unknown'
        when p.broad is null or p.is_allowed = 1 or p.level_high < $min_level then 'pass'
        when p.level >= $min_level then 'fail'
        else 'unknown'
    end as outcome,
    case when coalesce(p.tokens, 1) > 0 then 'high' else 'medium' end as severity,
    p.name as app,
    p.broad,
    case
        when p.is_everything = 1 then 'may do whatever its users may'
        else 'may read and write whatever data its users may, without asking again'
    end as reach,
    coalesce(p.partner_name, p.partner_id, 'any partner') as partner,
    p.scopes,
    p.level,
    p.tokens as live_tokens,
    p.token_users as users,
    p.external_users as users_from_outside,
    p.rights_beyond_its_packages
from apps p
