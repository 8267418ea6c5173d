-- Live credentials of kinds that can expire, whether or not this one does. HubSpot's API keys cannot, and the tokens that an app holds
-- have their limit in the app's policy, of which life-refresh-token-unbounded speaks.
select
    c.credential_id as subject_id,
    c.tenant_id,
    case
        when c.expires_at is not null then 'pass'
        when coalesce(c.expiry_known, false) then 'fail'
        else 'unknown'
    end as outcome,
    case when c.level >= 3 then 'high' else 'medium' end as severity,
    c.kind,
    c.native_id,
    c.identity_name as identity,
    c.created_at as created,
    c.last_used_at as last_used,
    c.is_network_bound as bound_to_networks
from credential_facts c
where c.is_live
    and c.kind in $expiring_kinds
    and not (c.kind = 'api_key' and coalesce(c.provider, '') = 'hubspot')
    and not coalesce(c.is_provider_owned, false)
