-- Partners with a scope that applies to them. Whoever got its first access lately is not due yet. A package may ask for shorter times.
with due as (
    select
        r.partner_id,
        r.scope,
        r.completed_at,
        case
            when r.completed_at < l.since or r.age_days > r.review_days then 1
            when r.completed_at is null and coalesce(p.first_access_at < l.since, true) then 1
            else 0
        end as is_overdue
    from review_facts r
    join partner_facts p on p.partner_id = r.partner_id
    join (
        select 'access' as scope, $access_days_before as since from scans
        union all
        select 'secrets', $secrets_days_before from scans
        union all
        select 'delegated', $delegated_days_before from scans
        union all
        select 'package', $package_days_before from scans
    ) l on l.scope = r.scope
),
counted as (
    select
        partner_id,
        sum(is_overdue) as overdue,
        max(case when scope = 'access' then is_overdue else 0 end) as access_overdue,
        max(case when scope = 'secrets' then is_overdue else 0 end) as secrets_overdue,
        max(case when scope = 'delegated' then is_overdue else 0 end) as delegated_overdue,
        max(case when scope = 'package' then is_overdue else 0 end) as package_overdue,
        max(case when scope = 'access' then completed_at end) as access_reviewed,
        max(case when scope = 'secrets' then completed_at end) as secrets_reviewed,
        max(case when scope = 'delegated' then completed_at end) as delegation_reviewed,
        max(case when scope = 'package' then completed_at end) as package_reviewed
    from due
    group by partner_id
)
select
    p.partner_id as subject_id,
    cast(null as varchar) as tenant_id,
    case
        when c.overdue = 0 then 'pass'
        when p.has_access or c.secrets_overdue = 1 then 'fail'
        else 'unknown'
    end as outcome,
    case
        when c.secrets_overdue + c.delegated_overdue > 0 and lower(p.risk_tier) in ('high', 'critical') then 'high'
        else 'medium'
    end as severity,
    p.name as partner,
    replace(
        trim(
            case when c.access_overdue = 1 then 'access ' else '' end
            || case when c.secrets_overdue = 1 then 'secrets ' else '' end
            || case when c.delegated_overdue = 1 then 'delegation ' else '' end
            || case when c.package_overdue = 1 then 'package' else '' end
        ),
        ' ',
        ', '
    ) as overdue,
    p.risk_tier,
    p.first_access_at as first_access,
    c.access_reviewed,
    c.secrets_reviewed,
    c.delegation_reviewed,
    c.package_reviewed
from counted c
join partner_facts p on p.partner_id = c.partner_id
