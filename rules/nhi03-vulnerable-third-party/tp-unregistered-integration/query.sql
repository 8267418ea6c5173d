-- Accounts and apps outside the company that a tenant of ours lets in; the provider's own are left out. An app of a CRM that does
-- not say who publishes it may be ours.
select
    o.integration_id as subject_id,
    o.tenant_id,
    case when o.claims = 0 then 'fail' when o.claims = 1 then 'pass' else 'unknown' end as outcome,
    case when o.level >= 5 then 'critical' else 'high' end as severity,
    o.kind,
    o.name,
    case
        when o.claims > 1 then cast(o.claims as varchar) || ' partners claim it'
        when o.claims is null then 'nobody claims it, and it may be ours'
    end as open_question,
    o.trusts as identities_it_may_become,
    o.grants as resources_it_may_use,
    o.level as highest_level
from integration_facts o
where o.name not in $provider_accounts
