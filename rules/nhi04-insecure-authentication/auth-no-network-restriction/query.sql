-- Machines' identities that have to do with a partner and hold live static credentials; one that works from anywhere is enough.
with held as (
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
from held h
join identity_facts f on f.identity_key = h.identity_key
where f.is_enabled
    and coalesce(f.is_nhi, true)
    and not coalesce(f.is_provider_owned, false)
