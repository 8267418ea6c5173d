-- Partners that have access, or may have, and whose contracts have not ended; ended ones are another rule's. A day of business
-- counts in full.
select
    p.partner_id as subject_id,
    cast(null as varchar) as tenant_id,
    case
        when p.last_commercial_activity >= cast($partner_dormant_days_before as date) then 'pass'
        when p.last_commercial_activity is null then 'unknown'
        when p.is_ended is null or p.has_access is null then 'unknown'
        else 'fail'
    end as outcome,
    p.name as partner,
    p.type,
    p.tier,
    p.last_commercial_activity as last_business,
    p.identities,
    p.live_credentials,
    p.level as highest_level,
    p.last_used_at as last_technical_use,
    p.business_owner,
    case
        when p.last_commercial_activity is null then 'no day of its last business can be read'
        when p.is_ended is null then 'it may have no contract any more'
        else 'it may have no access'
    end as open_question
from partner_facts p
where coalesce(p.has_access, true)
    and not coalesce(p.is_ended, false)
