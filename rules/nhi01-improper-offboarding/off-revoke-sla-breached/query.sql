-- Partners with an offboarding that is open or was closed within the last year; of several the worst. A step that is not marked as done
-- counts as long as the offboarding is open and the scan does not see that its target is gone.
with limits as (
    select
        s.offboarding_id,
        s.step,
        s.action,
        s.hours,
        s.done_at,
        s.is_gone,
        case s.action
            when 'revoke_access' then $revoke_access_hours
            when 'remove_delegation' then $remove_delegation_hours
            when 'rotate_shared_secret' then $rotate_shared_secret_hours
            when 'close_integration' then $close_integration_hours
        end as limit_hours
    from step_facts s
),
late as (
    select
        l.offboarding_id,
        count(*) as steps,
        min(case when l.done_at is null then 0 else 1 end) as is_done,
        max(l.hours - l.limit_hours) as hours_over
    from limits l
    join offboarding_facts o on o.offboarding_id = l.offboarding_id
    where l.hours > l.limit_hours
        and (l.done_at is not null or (o.closed_at is null and not coalesce(l.is_gone, false)))
    group by l.offboarding_id
),
worst as (
    select
        l.offboarding_id,
        l.step,
        l.action,
        l.hours,
        l.limit_hours,
        l.done_at,
        row_number() over (partition by l.offboarding_id order by l.hours - l.limit_hours desc, l.step) as place
    from limits l
    join late t on t.offboarding_id = l.offboarding_id
    join offboarding_facts o on o.offboarding_id = l.offboarding_id
    where l.hours > l.limit_hours
        and (l.done_at is not null or (o.closed_at is null and not coalesce(l.is_gone, false)))
),
judged as (
    select
        o.*,
        t.steps as late_steps,
        w.action as late_action,
        w.hours as late_hours,
        w.limit_hours,
        w.done_at as late_done_at,
        case
            when o.closed_at is null and o.due_at < $as_of then 1
            when o.closed_at > o.due_at then 2
            when t.steps > 0 then 3
            when o.closed_at is null and o.due_at is not null then 9
            when o.closed_at is not null and o.due_at is not null then 9
            when o.began_at is null then 5
            when o.steps = 0 then 6
            else 9
        end as rank
    from offboarding_facts o
    left join late t on t.offboarding_id = o.offboarding_id
    left join worst w on w.offboarding_id = o.offboarding_id and w.place = 1
    where coalesce(o.closed_at >= $lookback_days_before, true)
        and coalesce(o.opened_at <= $as_of, true)
),
placed as (
    select
        j.*,
        row_number() over (
            partition by j.partner_id
            order by j.rank, j.due_at, j.opened_at, j.offboarding_id
        ) as place
    from judged j
)
select
    p.partner_id as subject_id,
    cast(null as varchar) as tenant_id,
    case when p.rank <= 3 then 'fail' when p.rank = 9 then 'pass' else 'unknown' end as outcome,
    case when f.level >= 4 then 'critical' else 'high' end as severity,
    f.name as partner,
    p.offboarding_id as offboarding,
    case p.rank
        when 1 then 'was due on ' || substr(cast(p.due_at as varchar), 1, 16) || ' and is still open'
        when 2 then 'was closed on ' || substr(cast(p.closed_at as varchar), 1, 16) || ', due on '
            || substr(cast(p.due_at as varchar), 1, 16)
        when 3 then 'has a step ' || p.late_action || case when p.late_done_at is null then ' that is open for ' else ' that took ' end
            || cast(p.late_hours as varchar) || ' hours, with ' || cast(p.limit_hours as varchar) || ' allowed'
    end as what,
    case p.rank
        when 5 then 'it has no days'
        when 6 then 'neither it nor the contract has a time limit, and it has no steps'
    end as doubt,
    p.opened_at as opened,
    p.began_at as clock_began,
    p.due_at as due,
    p.due_by as due_by_the,
    p.closed_at as closed,
    p.hours as hours_taken,
    p.steps,
    p.steps_done,
    coalesce(p.late_steps, 0) as late_steps,
    f.level,
    p.register_row
from placed p
join partner_facts f on f.partner_id = p.partner_id
where p.place = 1
