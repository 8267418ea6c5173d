-- Identities with rights of level 2 or more, one row a verb. A right counts as unused only where its use would have been seen for the
-- whole window, or since the identity exists; a use that the source cannot know speaks neither for nor against. Of what nobody
-- used at all in the window, the rules on dormant accounts speak. Portals and HubSpot log no use of rights: there an identity is
-- judged only where what was read says so all the same.
with weighed as (
    select
        f.identity_key,
        u.verb,
        u.level,
        u.last_used_at,
        case when u.is_used is not null then 1 else 0 end as is_told,
        case
            when u.is_used and coalesce(u.last_used_at >= $window_days_before, true) then 1
            else 0
        end as is_used,
        case
            when u.is_used and u.last_used_at < $window_days_before then 1
            when not u.is_used and (u.known_from <= $window_days_before or u.known_from <= f.created_at) then 1
            else 0
        end as is_unused
    from unused_privileges u
    join identity_facts f on f.identity_key = u.identity_key
),
counted as (
    select
        w.identity_key,
        count(*) as privileges,
        sum(w.is_used) as used,
        sum(w.is_unused) as unused,
        max(w.is_told) as is_told,
        max(case when w.is_unused = 1 then w.level end) as highest_unused,
        min(case when w.is_unused = 1 then w.verb end) as first_unused,
        max(case when w.is_unused = 1 then w.verb end) as last_unused,
        max(w.last_used_at) as last_used
    from weighed w
    group by w.identity_key
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when f.created_at >= $min_grant_age_days_before then 'pass'
        when c.unused > $unused_ratio * c.privileges then 'fail'
        when c.privileges - c.used > $unused_ratio * c.privileges then 'unknown'
        else 'pass'
    end as outcome,
    case when c.highest_unused >= 4 then 'high' else 'medium' end as severity,
    f.name as identity,
    f.kind,
    case when f.provider = 'aws' then f.native_id end as arn,
    c.privileges,
    c.unused,
    c.privileges - c.used - c.unused as open,
    $window_days as window_in_days,
    case
        when c.unused > 2 then c.first_unused || ' … ' || c.last_unused
        when c.unused = 2 then c.first_unused || ' and ' || c.last_unused
        else c.first_unused
    end as examples,
    c.highest_unused as highest_unused_level,
    c.last_used as last_use_of_any
from counted c
join identity_facts f on f.identity_key = c.identity_key
where f.is_enabled
    and not coalesce(f.is_provider_owned, false)
    and (f.is_partner_related or coalesce(f.is_nhi, true))
    and (c.is_told = 1 or coalesce(f.provider, '') not in ('portal', 'hubspot'))
    and not (coalesce(f.last_used_known, false) and coalesce(f.idle_since < $window_days_before, false))
