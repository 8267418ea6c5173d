-- Partners that hold access, or may hold it, and whose contract has not ended. Criticality, type and the day of the classification
-- are judged once half of the register fills them.
with fields as (
    select
        max(case when field = 'criticality' and 2 * filled >= rows then 1 else 0 end) as has_criticality,
        max(case when field = 'type' and 2 * filled >= rows then 1 else 0 end) as has_type,
        max(case when field = 'classified_at' and 2 * filled >= rows then 1 else 0 end) as has_day
    from register_fields
    where holds = 'partners'
),
looked as (
    select
        p.*,
        case
            when p.risk_tier is null then 'no risk tier'
            when f.has_criticality = 1 and p.criticality is null then 'no criticality'
            when f.has_type = 1 and p.type is null then 'no type'
            when f.has_day = 1 and p.classified_at < $reclass_days_before
                then 'was classified more than ' || cast($reclass_days as varchar) || ' days ago'
        end as problem,
        case when f.has_day = 1 and p.classified_at is null then 1 else 0 end as is_undated
    from partner_facts p
    cross join fields f
    where coalesce(p.has_access, true)
        and not coalesce(p.is_ended and p.contracts > 0, false)
)
select
    l.partner_id as subject_id,
    cast(null as varchar) as tenant_id,
    case
        when l.problem is not null and l.has_access then 'fail'
        when l.problem is not null or l.is_undated = 1 then 'unknown'
        else 'pass'
    end as outcome,
    case when l.touches_production or l.handles_customer_data then 'high' else 'medium' end as severity,
    l.name as partner,
    case when l.problem like 'no %' then 'has ' || l.problem else l.problem end as problem,
    l.risk_tier,
    l.criticality,
    l.type,
    l.classified_at,
    l.computed_risk_tier as tier_that_its_access_calls_for,
    l.touches_production,
    l.handles_customer_data
from looked l
