-- Partners that hold access, or may hold it, and whose contract has not ended. Without a risk tier the strictest limit clears
-- and the widest convicts.
with limits as (
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
        end as wide_since,
        case p.risk_tier
            when 'critical' then $critical_days
            when 'high' then $high_days
            when 'medium' then $medium_days
            else $low_days
        end as cadence_days
    from partner_facts p
    where coalesce(p.has_access, true)
        and not coalesce(p.is_ended and p.contracts > 0, false)
),
standing as (
    select
        a.partner_id,
        a.kind,
        max(a.attested_at) as attested_at,
        max(case when a.attested_at is null then 1 else 0 end) as has_undated
    from attestations a
    where a.kind in $kinds
        and coalesce(a.valid_to >= cast($as_of as date), true)
        and coalesce(a.attested_at <= $as_of, true)
    group by a.partner_id, a.kind
),
counted as (
    select
        l.partner_id,
        sum(case when s.attested_at >= l.strict_since then 1 else 0 end) as strict_kinds,
        sum(case when s.attested_at >= l.wide_since then 1 else 0 end) as wide_kinds,
        sum(case when s.attested_at >= l.wide_since or s.has_undated = 1 then 1 else 0 end) as possible_kinds,
        max(s.attested_at) as newest
    from limits l
    left join standing s on s.partner_id = l.partner_id
    group by l.partner_id
)
select
    l.partner_id as subject_id,
    cast(null as varchar) as tenant_id,
    case
        when c.strict_kinds = $kinds_count then 'pass'
        when c.possible_kinds < $kinds_count and l.has_access then 'fail'
        else 'unknown'
    end as outcome,
    case when l.risk_tier in ('high', 'critical') then 'high' else 'medium' end as severity,
    l.name as partner,
    c.wide_kinds as kinds_current,
    $kinds_count as required,
    l.cadence_days,
    c.newest as newest_statement,
    l.risk_tier
from limits l
join counted c on c.partner_id = l.partner_id
