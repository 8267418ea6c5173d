-- Partners that hold access, or may hold it, and have not ended. A day until which the assessment counts beats the limit of the risk tier;
-- without a tier the strictest limit clears and the widest convicts. Access that is older than the assessment is shown and not held
-- against anybody: only the newest assessment is on record, and nothing one could do would change the order.
with looked as (
    select
        p.*,
        case p.risk_tier
            when 'low' then $low_days_before
            when 'medium' then $medium_days_before
            when 'high' then $high_days_before
            else $critical_days_before
        end as strict_since,
        case p.risk_tier
            when 'critical' then $critical_days_before
            when 'high' then $high_days_before
            when 'medium' then $medium_days_before
            else $low_days_before
        end as wide_since
    from partner_facts p
    where coalesce(p.has_access, true)
        and not coalesce(p.is_ended and p.contracts > 0, false)
),
judged as (
    select
        l.*,
        case
            when lower(l.due_diligence_result) = 'fail' then 1
            when l.due_diligence_at is null and l.due_diligence_valid_to is null then 2
            when cast(l.due_diligence_valid_to as date) < cast($as_of as date) then 3
            when l.due_diligence_valid_to is null and l.due_diligence_at < l.wide_since then 4
            when l.due_diligence_valid_to is null and l.due_diligence_at < l.strict_since then 11
            when l.due_diligence_result is null then 12
            else 0
        end as state
    from looked l
)
select
    j.partner_id as subject_id,
    cast(null as varchar) as tenant_id,
    case
        when j.state = 0 then 'pass'
        when j.state > 10 or j.has_access is null then 'unknown'
        else 'fail'
    end as outcome,
    case when j.touches_production or j.handles_customer_data then 'critical' else 'high' end as severity,
    j.name as partner,
    case j.state
        when 1 then 'did not pass its assessment'
        when 2 then 'was never assessed'
        when 3 then 'its assessment counted until ' || substr(cast(j.due_diligence_valid_to as varchar), 1, 10)
        when 4 then 'was last assessed on ' || substr(cast(j.due_diligence_at as varchar), 1, 10)
    end as problem,
    case
        when j.state = 11 then 'its risk tier is not known'
        when j.state = 12 then 'the register does not say how the assessment ended'
        when j.has_access is null then 'two partners claim the access'
    end as doubt,
    j.due_diligence_at as assessed,
    j.due_diligence_result as result,
    j.due_diligence_valid_to as valid_to,
    j.first_access_at as first_access,
    j.risk_tier,
    j.handles_customer_data,
    j.touches_production
from judged j
