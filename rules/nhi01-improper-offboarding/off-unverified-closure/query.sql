-- Partners with a closed offboarding; of several the worst. Who came back under a contract that began later may hold the same things
-- again. Where the register holds no steps at all, missing ones are not held against anybody; and where the plan of an offboarding was
-- made from a scan, a kind without a step is one of which the partner held nothing.
with kept as (
    select count(*) as steps
    from step_facts
),
steps as (
    select
        s.offboarding_id,
        count(distinct case when s.done_at is not null and s.action in $required_actions then s.action end) as actions_done,
        sum(case when s.done_at <= $as_of and s.is_gone = false then 1 else 0 end) as contradicted,
        min(case when s.done_at <= $as_of and s.is_gone = false then coalesce(s.thing_id, s.target_id) end) as first_contradicted,
        sum(case when s.done_at is null then 1 else 0 end) as undone,
        sum(case
            when s.done_at is not null
                and s.is_gone is null
                and s.action not in ('return_data', 'notify')
                and coalesce(lower(trim(s.target_id)), '') not in $nothing
                then 1
            else 0
        end) as unseen,
        min(case
            when s.done_at is not null
                and s.is_gone is null
                and s.action not in ('return_data', 'notify')
                and coalesce(lower(trim(s.target_id)), '') not in $nothing
                then coalesce(s.target_id || ': ', '') || s.seen
        end) as first_unseen
    from step_facts s
    group by s.offboarding_id
),
returned as (
    select distinct o.offboarding_id
    from offboarding_facts o
    join contracts c on c.partner_id = o.partner_id
    where coalesce(lower(c.status), 'active') = 'active'
        and cast(c.start_date as timestamp) > o.closed_at
        and coalesce(c.grants_access, c.kind is null or lower(c.kind) not in ('nda', 'dpa'))
),
judged as (
    select
        o.*,
        k.steps as steps_in_register,
        coalesce(s.actions_done, 0) as actions_done,
        coalesce(s.contradicted, 0) as contradicted,
        s.first_contradicted,
        coalesce(s.unseen, 0) as unseen,
        s.first_unseen,
        coalesce(s.undone, 0) as undone,
        case when r.offboarding_id is null and s.contradicted > 0 then 1 else 0 end as is_contradicted,
        case when o.closed_at >= $lookback_days_before then 1 else 0 end as is_recent
    from offboarding_facts o
    cross join kept k
    left join steps s on s.offboarding_id = o.offboarding_id
    left join returned r on r.offboarding_id = o.offboarding_id
    where o.closed_at <= $as_of
),
ranked as (
    select
        j.*,
        case
            when j.is_contradicted = 1 then 1
            when j.is_recent = 0 then 9
            when j.verified_at is null then 2
            when j.steps_in_register > 0 and j.actions_done < $required_actions_count
                and not (coalesce(j.register_row, '') like 'ledger/%.jsonl:%' and j.steps > 0 and j.undone = 0) then 3
            when j.steps_in_register = 0 then 5
            when j.unseen > 0 then 6
            else 9
        end as rank
    from judged j
),
placed as (
    select
        r.*,
        row_number() over (
            partition by r.partner_id
            order by r.rank, r.closed_at desc, r.offboarding_id
        ) as place
    from ranked r
)
select
    p.partner_id as subject_id,
    cast(null as varchar) as tenant_id,
    case when p.rank <= 3 then 'fail' when p.rank = 9 then 'pass' else 'unknown' end as outcome,
    f.name as partner,
    p.offboarding_id as offboarding,
    'on ' || substr(cast(p.closed_at as varchar), 1, 10) as closed_on,
    case p.rank
        when 1 then 'although ' || p.first_contradicted
            || case when p.contradicted > 1 then ' and ' || cast(p.contradicted - 1 as varchar) || ' more' else '' end
            || ' still stands, against what was written down'
        when 2 then 'and nobody verified it'
        when 3 then 'with ' || cast(p.actions_done as varchar) || ' of ' || cast($required_actions_count as varchar)
            || ' required kinds of steps done'
    end as but,
    case p.rank
        when 5 then 'the register holds no steps'
        when 6 then cast(p.unseen as varchar) || ' done steps could not be checked, first ' || p.first_unseen
    end as doubt,
    p.verified_at as verified,
    p.verified_by,
    p.steps,
    p.steps_done,
    p.undone as steps_not_done,
    p.unseen as steps_not_checked,
    f.has_access as partner_has_access,
    p.register_row
from placed p
join partner_facts f on f.partner_id = p.partner_id
where p.place = 1
