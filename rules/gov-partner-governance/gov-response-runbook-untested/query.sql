-- Partners of high risk that hold access, or may hold it. Rehearsals are judged once half of the register that has a runbook says when.
with runbooks as (
    select
        max(case when field = 'revoke_runbook' then filled end) as written,
        max(case when field = 'revoke_runbook_tested_at' then filled end) as tested
    from register_fields
    where holds = 'partners'
),
looked as (
    select
        p.*,
        case
            when p.revoke_runbook is null then 'nobody wrote down how it is cut off'
            when p.revoke_runbook_tested_at < $test_days_before
                then 'how it is cut off was rehearsed more than ' || cast($test_days as varchar) || ' days ago'
            when p.revoke_runbook_tested_at is null and 2 * r.tested >= r.written
                then 'how it is cut off was never rehearsed'
        end as problem
    from partner_facts p
    cross join runbooks r
    where lower(p.risk_tier) in $risk_tiers
        and coalesce(p.has_access, true)
        and not coalesce(p.is_ended and p.contracts > 0, false)
)
select
    l.partner_id as subject_id,
    cast(null as varchar) as tenant_id,
    case
        when l.problem is not null and l.has_access then 'fail'
        when l.problem is not null or l.revoke_runbook_tested_at is null then 'unknown'
        else 'pass'
    end as outcome,
    case when lower(l.risk_tier) = 'critical' or lower(l.criticality) = 'critical' then 'high' else 'medium' end as severity,
    l.name as partner,
    l.risk_tier,
    l.problem,
    l.revoke_runbook as runbook,
    l.revoke_runbook_tested_at as rehearsed,
    l.live_credentials
from looked l
