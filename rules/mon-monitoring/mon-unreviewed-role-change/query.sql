-- Partners' identities with changes in the window whose time for a review is over. A request of the partner that names no identity may be
-- the one. Where the log has holes, what it shows is enough for a fail and not for a pass.
with judged as (
    select
        c.*,
        case
            when c.request_days <= $review_days or c.review_days <= $review_days then 0
            when c.occurred_at >= $review_days_before then 0
            when c.loose_request_days <= $review_days then 1
            else 2
        end as state
    from change_facts c
    where c.occurred_at >= $window_days_before
        and c.occurred_at <= $as_of
),
counted as (
    select
        j.*,
        sum(case when j.state = 2 then 1 else 0 end) over (partition by j.identity_key) as such_changes,
        count(*) over (partition by j.identity_key) as changes,
        row_number() over (
            partition by j.identity_key
            order by j.state desc, j.occurred_at desc, j.event_id
        ) as place
    from judged j
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when c.state = 2 then 'fail'
        when c.state = 1 or coalesce(l.has_holes, true) then 'unknown'
        else 'pass'
    end as outcome,
    case when f.level >= 4 then 'high' else 'medium' end as severity,
    f.name as identity,
    f.partner_name as partner,
    c.action as change,
    c.occurred_at as changed,
    $review_days as review_days,
    case
        when c.state = 1 then 'request ' || c.loose_request_id || ' names no identity'
        else 'the log of changes has holes'
    end as doubt,
    replace(c.kind, '_', ' ') as kind_of_change,
    c.actor_id as made_by,
    c.such_changes as changes_like_it,
    c.changes as changes_in_the_window,
    f.level
from counted c
join identity_facts f on f.identity_key = c.identity_key
left join log_reach l on l.tenant_id = c.tenant_id and l.log = 'changes'
where c.place = 1
    and f.is_enabled
