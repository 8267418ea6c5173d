-- Machines' identities that have to do with a partner and hold live static credentials; one that works from anywhere is enough.
-- An app holds the tokens that act as its users. A list of addresses for refresh tokens binds them as well: without a new one the
-- others end within hours.
with apps as (
    select
        f.identity_key,
        f.identity_id,
        a.partners,
        case
            when a.is_network_bound or a.is_refresh_network_bound then 1
            when not a.is_network_bound and not a.is_refresh_network_bound then 0
        end as is_bound
    from identity_facts f
    left join app_facts a on a.identity_key = f.identity_key
    where f.kind = 'oauth_app'
),
own as (
    select
        c.identity_key,
        count(*) as credentials,
        sum(case when c.is_network_bound then 0 when c.is_network_bound is null then 0 else 1 end) as open_credentials,
        sum(case when c.is_network_bound is null then 1 else 0 end) as unclear,
        min(case when not c.is_network_bound then c.kind || ' ' || c.native_id end) as first_open,
        min(c.created_at) as oldest
    from credential_facts c
    where c.is_partner_related
        and c.is_live
        and c.kind in $static_kinds
    group by c.identity_key
),
tokens as (
    select
        a.identity_key,
        c.kind,
        c.native_id,
        c.identity_name,
        c.created_at,
        case
            when c.is_network_bound or a.is_bound = 1 then 1
            when not c.is_network_bound or a.is_bound = 0 then 0
        end as is_bound
    from credential_facts c
    join apps a on a.identity_id = c.app_id
    where c.is_live
        and c.kind = 'oauth_token'
),
held as (
    select
        o.identity_key,
        o.credentials,
        o.open_credentials,
        o.unclear,
        o.first_open,
        o.oldest
    from own o
    union all
    select
        t.identity_key,
        count(*),
        sum(case when t.is_bound = 0 then 1 else 0 end),
        sum(case when t.is_bound is null then 1 else 0 end),
        min(case when t.is_bound = 0 then 'token for ' || t.identity_name end),
        min(t.created_at)
    from tokens t
    group by t.identity_key
),
holders as (
    select
        h.identity_key,
        sum(h.credentials) as credentials,
        sum(h.open_credentials) as open_credentials,
        sum(h.unclear) as unclear,
        min(h.first_open) as first_open,
        min(h.oldest) as oldest
    from held h
    group by h.identity_key
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when f.level_high < $min_level then 'pass'
        when h.open_credentials = 0 and h.unclear = 0 then 'pass'
        when h.open_credentials = 0 then 'unknown'
        when f.level >= $min_level then 'fail'
        else 'unknown'
    end as outcome,
    case when f.level >= 5 then 'high' else 'medium' end as severity,
    f.name as identity,
    f.kind,
    f.level,
    h.credentials,
    h.open_credentials,
    h.first_open as one_of_them,
    h.oldest as oldest_credential_of,
    f.last_used_at as last_used
from holders h
join identity_facts f on f.identity_key = h.identity_key
left join apps a on a.identity_key = f.identity_key
where f.is_enabled
    and (f.is_partner_related or a.partners > 0)
    and coalesce(f.is_nhi, true)
    and not coalesce(f.is_provider_owned, false)
