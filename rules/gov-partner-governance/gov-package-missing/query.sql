-- Partners that hold access, or may hold it, and whose contract has not ended. A package without items allows nothing that one could
-- compare with; that is judged where the register lists items at all.
with listed as (
    select max(rows) as items
    from register_fields
    where holds = 'package_items'
),
packaged as (
    select
        a.partner_id,
        count(distinct i.package_id) as with_items,
        min(a.package_id) as example
    from package_assignments a
    left join package_items i on i.package_id = a.package_id
    where coalesce(a.assigned_at <= cast($as_of as date), true)
        and coalesce(a.expires_at >= cast($as_of as date), true)
    group by a.partner_id
),
past as (
    select
        partner_id,
        max(expires_at) as ended_on
    from package_assignments
    where expires_at < cast($as_of as date)
    group by partner_id
),
unread as (
    select count(*) as n
    from quarantine q
    join register_files f on f.file = q.file
    where q.row_dropped
        and f.holds in ('package_items', 'packages')
),
looked as (
    select
        p.*,
        case
            when k.partner_id is null and e.ended_on is not null
                then 'its package ended on ' || cast(e.ended_on as varchar)
            when k.partner_id is null then 'no access package'
            when l.items > 0 and k.with_items = 0 then 'its package ' || k.example || ' lists nothing that it allows'
        end as problem,
        case when k.partner_id is not null and k.with_items = 0 and u.n > 0 then 1 else 0 end as is_open
    from partner_facts p
    cross join listed l
    cross join unread u
    left join packaged k on k.partner_id = p.partner_id
    left join past e on e.partner_id = p.partner_id
    where coalesce(p.has_access, true)
        and not coalesce(p.is_ended and p.contracts > 0, false)
)
select
    l.partner_id as subject_id,
    cast(null as varchar) as tenant_id,
    case
        when l.problem is null then 'pass'
        when l.is_open = 1 or l.has_access is null then 'unknown'
        else 'fail'
    end as outcome,
    l.name as partner,
    l.problem,
    l.type,
    l.tier,
    l.risk_tier,
    l.level as highest_level
from looked l
