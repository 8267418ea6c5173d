-- One row a credential
delete from credential_facts;

insert into credential_facts by name
select c.credential_key,
    c.credential_id,
    c.identity_key,
    f.identity_id,
    f.name as identity_name,
    c.provider,
    c.tenant_id,
    f.environment,
    c.kind,
    c.native_id,
    c.is_live,
    c.is_replaceable,
    c.created_at,
    cast(floor((epoch(s.as_of) - epoch(c.created_at)) / 86400) as bigint) as age_days,
    c.last_used_at,
    c.last_used_known,
    c.last_used_source,
    case when c.last_used_known then coalesce(c.last_used_at, c.created_at) end as idle_since,
    c.expires_at,
    c.expiry_known,
    cast(ceil((epoch(c.expires_at) - epoch(c.created_at)) / 86400) as bigint) as lifetime_days,
    c.max_ttl_s,
    c.period_s,
    -- an AWS key works from anywhere unless a policy of its identity says else
    case
        when c.provider <> 'aws' or c.is_network_bound is not null then c.is_network_bound
        when n.identity_key is not null then n.is_bound
        when r.tenant_id is not null then false
    end as is_network_bound,
    coalesce(k.live_of_kind, 0) as live_of_kind,
    case when k.newest_at > c.created_at then k.newest_at end as newer_live_at,
    f.is_nhi,
    f.is_provider_owned,
    f.is_partner_related,
    f.partner_id,
    f.partner_name,
    f.owner_mail,
    f.level,
    f.contract_is_ended,
    a.identity_id as app_id,
    a.name as app_name
from live c
join identity_facts f using (identity_key)
cross join scans s
left join identities a on a.identity_key = c.app_key
left join network_bounds n on n.identity_key = c.identity_key
left join covered r on r.tenant_id = c.tenant_id and r.dataset = 'policies'
left join (
    select identity_key, kind, service, count(*) as live_of_kind, max(created_at) as newest_at
    from live
    where is_live
    group by identity_key, kind, service
) k on k.identity_key = c.identity_key and k.kind = c.kind and k.service is not distinct from c.service
