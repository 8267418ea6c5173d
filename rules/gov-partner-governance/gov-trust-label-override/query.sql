-- Partners with a trust label that hold access, or may hold it. That a package is missing is judged where half of the register's
-- assignments name one; a tier that is missing is for another rule.
with assigning as (
    select max(case when 2 * filled >= rows and rows > 0 then 1 else 0 end) as is_declared
    from register_fields
    where holds = 'package_assignments'
        and field = 'package_id'
),
assigned as (
    select
        a.partner_id,
        max(k.max_level) as max_level
    from package_assignments a
    join packages k on k.package_id = a.package_id
    where coalesce(a.assigned_at <= cast($as_of as date), true)
        and coalesce(a.expires_at >= cast($as_of as date), true)
    group by a.partner_id
),
excused as (
    select
        partner_id,
        count(*) as exceptions
    from acceptance_facts
    where expires_at > $as_of
    group by partner_id
),
ranked as (
    select
        p.*,
        case lower(p.risk_tier) when 'critical' then 4 when 'high' then 3 when 'medium' then 2 when 'low' then 1 end as rank,
        case p.computed_risk_tier when 'critical' then 4 when 'high' then 3 when 'medium' then 2 when 'low' then 1 end as computed,
        case lower(p.risk_tier)
            when 'low' then $max_level_low
            when 'medium' then $max_level_medium
            when 'high' then $max_level_high
            when 'critical' then $max_level_critical
        end as allowed,
        a.max_level,
        coalesce(e.exceptions, 0) as exceptions,
        g.is_declared
    from partner_facts p
    cross join assigning g
    left join assigned a on a.partner_id = p.partner_id
    left join excused e on e.partner_id = p.partner_id
    where trim(p.trust_label) <> ''
        and coalesce(p.has_access, true)
        and not coalesce(p.is_ended and p.contracts > 0, false)
),
looked as (
    select
        r.*,
        case
            when r.rank < r.computed
                then 'its risk tier is ' || lower(r.risk_tier) || ', while its access calls for ' || r.computed_risk_tier
            when r.max_level > r.allowed
                then 'its package allows level ' || cast(r.max_level as varchar) || ', while its risk tier ' || lower(r.risk_tier)
                    || ' allows ' || cast(r.allowed as varchar)
            when r.packages = 0 and r.is_declared = 1 then 'has access without a package'
            when r.exceptions > $max_exceptions then cast(r.exceptions as varchar) || ' of its risks are accepted'
        end as problem
    from ranked r
)
select
    l.partner_id as subject_id,
    cast(null as varchar) as tenant_id,
    case
        when l.problem is not null and l.has_access then 'fail'
        when l.problem is not null or l.has_access is null or l.level is null then 'unknown'
        else 'pass'
    end as outcome,
    case when l.level >= $broad_level or l.is_delegated_admin then 'high' else 'medium' end as severity,
    l.name as partner,
    l.trust_label,
    l.problem,
    l.risk_tier,
    l.computed_risk_tier as tier_that_its_access_calls_for,
    l.level as highest_level,
    l.is_delegated_admin as delegated_administration,
    l.packages,
    l.max_level as level_that_its_packages_allow,
    l.exceptions as accepted_risks
from looked l
