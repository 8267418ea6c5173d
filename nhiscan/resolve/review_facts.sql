-- One row a partner and scope of review that applies to it, with the newest completed review; one that names no partner covers all.
-- What an ended partner still holds is for offboarding.
delete from review_facts;

insert into review_facts by name
with partners_now as (
    select *
    from partner_facts
    where not coalesce(is_ended and contracts > 0, false)
),
packaged as (
    select a.partner_id, min(k.review_days) as review_days
    from package_assignments a
    join packages k using (package_id)
    cross join scans s
    where coalesce(a.assigned_at <= s.as_of::date, true)
        and coalesce(a.expires_at >= s.as_of::date, true)
    group by a.partner_id
),
applying as (
    select partner_id, 'access' as scope, null::bigint as review_days
    from partners_now
    where has_access is not false
    union all
    select partner_id, 'secrets', null
    from partners_now
    where live_credentials > 0
    union all
    select partner_id, 'delegated', null
    from partners_now
    where is_delegated_admin
    union all
    select p.partner_id, 'package', k.review_days
    from partners_now p
    join packaged k using (partner_id)
    where p.has_access is not false
),
done as (
    select r.*
    from reviews r
    cross join scans s
    where r.completed_at <= s.as_of
)
select a.partner_id, a.scope, a.review_days, d.review_id, d.reviewer, d.completed_at,
    date_diff('day', d.completed_at, s.as_of) as age_days
from applying a
cross join scans s
left join done d on d.scope = a.scope and coalesce(d.partner_id, a.partner_id) = a.partner_id
qualify row_number() over (partition by a.partner_id, a.scope order by d.completed_at desc nulls last, d.review_id) = 1
order by a.partner_id, a.scope
