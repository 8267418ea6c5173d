-- Live tokens. Root and periods without an end always count; other limits only on tokens that somebody made, because a login
-- makes another one each time and its limits are its role's.
with roots as (
    select distinct b.identity_key
    from policy_bindings b
    join policies p on p.policy_key = b.policy_key
    where p.provider = 'vault'
        and p.name = 'root'
        and p.native_id = 'root'
)
select
    c.credential_id as subject_id,
    c.tenant_id,
    case
        when r.identity_key is not null then 'fail'
        when c.period_s > 0 and c.max_ttl_s = 0 then 'fail'
        when c.is_replaceable and (c.max_ttl_s = 0 or c.max_ttl_s > $max_ttl_hours * 3600) then 'fail'
        when c.max_ttl_s is null and (c.is_replaceable or c.period_s > 0) then 'unknown'
        else 'pass'
    end as outcome,
    case
        when r.identity_key is not null then 'critical'
        when c.max_ttl_s = 0 then 'high'
        when c.max_ttl_s > $usual_ttl_hours * 3600 then 'medium'
        else 'low'
    end as severity,
    c.native_id,
    c.identity_name as identity,
    case
        when r.identity_key is not null then 'has the root policy'
        when c.period_s > 0 and c.max_ttl_s = 0
            then 'renews for ever, ' || cast(cast(ceil(c.period_s / 3600.0) as bigint) as varchar) || ' hours at a time'
        when c.max_ttl_s = 0 then 'has no limit'
        else 'can be kept alive for ' || cast(cast(ceil(c.max_ttl_s / 3600.0) as bigint) as varchar) || ' hours'
    end as problem,
    c.created_at as created,
    c.expires_at as expires_unless_renewed,
    c.is_network_bound as bound_to_networks
from credential_facts c
left join roots r on r.identity_key = c.identity_key
where c.is_live
    and c.kind = 'vault_token'
