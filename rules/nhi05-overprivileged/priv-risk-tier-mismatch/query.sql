-- Partners whose tier, package or type sets a limit. The widest package counts, and the tighter of tier and package. An identity
-- that cannot be used any more is no privilege.
with assigned as (
    select
        a.partner_id,
        max(k.max_level) as max_level,
        min(case when k.max_level is null then 0 else 1 end) as is_limited
    from package_assignments a
    join packages k on k.package_id = a.package_id
    where coalesce(a.assigned_at <= cast($as_of as date), true)
        and coalesce(a.expires_at >= cast($as_of as date), true)
    group by a.partner_id
),
limits as (
    select
        p.partner_id,
        p.name,
        p.type,
        p.risk_tier,
        case lower(p.risk_tier)
            when 'low' then $max_level_low
            when 'medium' then $max_level_medium
            when 'high' then $max_level_high
            when 'critical' then $max_level_critical
        end as by_tier,
        case when a.is_limited = 1 then a.max_level end as by_package,
        case when lower(p.type) in $referral_types then 1 else 0 end as is_referral
    from partner_facts p
    left join assigned a on a.partner_id = p.partner_id
),
limited as (
    select
        l.*,
        case when l.by_package < l.by_tier or l.by_tier is null then l.by_package else l.by_tier end as allowed
    from limits l
    where l.by_tier is not null
        or l.by_package is not null
        or l.is_referral = 1
),
held as (
    select distinct
        h.partner_id,
        h.identity_key
    from identity_partners h
    where h.verdict = 'asserted'
),
counted as (
    select
        l.partner_id,
        max(f.level) as level,
        sum(case when f.level > l.allowed then 1 else 0 end) as above,
        sum(
            case
                when f.level > l.allowed or l.allowed is null then 0
                when f.level_high is null or f.level_high > l.allowed then 1
                else 0
            end
        ) as undecided,
        sum(case when l.is_referral = 1 and f.environment = 'prod' and f.level >= 1 then 1 else 0 end) as in_production,
        sum(
            case when l.is_referral = 1 and f.environment = 'prod' and f.level_high is null and f.level is null then 1 else 0 end
        ) as maybe_in_production
    from limited l
    join held h on h.partner_id = l.partner_id
    join identity_facts f on f.identity_key = h.identity_key
    where f.is_enabled
        and coalesce(f.has_access, true)
    group by l.partner_id
)
select
    l.partner_id as subject_id,
    cast(null as varchar) as tenant_id,
    case
        when c.above > 0 or c.in_production > 0 then 'fail'
        when c.undecided > 0 or c.maybe_in_production > 0 then 'unknown'
        else 'pass'
    end as outcome,
    l.name as partner,
    l.type,
    l.risk_tier,
    l.allowed as allowed_level,
    c.level,
    case when c.above > 0 then c.above else c.in_production end as identities_above,
    c.undecided + c.maybe_in_production as undecided_identities,
    case
        when c.above = 0 and c.in_production > 0 then 'in production, where a partner of type ' || l.type || ' needs none'
        when l.allowed is null then 'a partner of type ' || l.type || ' needs nothing in production'
        when l.allowed = l.by_tier
            then 'risk tier ' || l.risk_tier || ' allows ' || cast(l.allowed as varchar)
        else 'its package allows ' || cast(l.allowed as varchar)
    end as limit_in_words
from limited l
join counted c on c.partner_id = l.partner_id
