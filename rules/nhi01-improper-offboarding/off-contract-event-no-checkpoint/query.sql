-- Partners that hold access, or may hold it, and a contract with an event of the last year; of several events the worst. An event that is
-- marked as done is. What ends one contract while another is in force asks for a review or an offboarding, whichever was held.
with events as (
    select
        c.partner_id,
        e.contract_id,
        lower(e.type) as type,
        e.occurred,
        e.due,
        e.done,
        e.ticket,
        e.register_row,
        case when lower(e.type) in $ending_events then 1 else 0 end as is_ending,
        case when lower(e.type) in $ending_events and coalesce(p.contracts_in_force, 0) = 0 then 1 else 0 end as needs_offboarding,
        p.name,
        p.has_access,
        p.identities
    from contract_events e
    join contracts c on c.contract_id = e.contract_id
    join partner_facts p on p.partner_id = c.partner_id
    where (lower(e.type) in $ending_events or lower(e.type) in $review_events)
        and coalesce(c.grants_access, c.kind is null or lower(c.kind) not in ('nda', 'dpa'))
        and coalesce(e.occurred <= cast($as_of as date), true)
        and coalesce(e.occurred >= cast($lookback_days_before as date), true)
        and coalesce(p.has_access, true)
),
held as (
    select
        e.contract_id,
        e.type,
        e.occurred,
        max(case
            when k.kind = 'offboarding' and (k.is_of_contract or k.closed_at is null) then 1
            when k.kind = 'offboarding' and k.closed_at >= cast(e.occurred as timestamp) then 1
            else 0
        end) as has_offboarding,
        max(case
            when k.kind = 'review' and k.days_after >= -$before_days and coalesce(k.scope, 'access') in ('access', 'package') then 1
            else 0
        end) as has_review
    from events e
    join event_checkpoints k on k.contract_id = e.contract_id and k.type = e.type and k.occurred = e.occurred
    group by e.contract_id, e.type, e.occurred
),
general as (
    -- a review that names no partner may have been one of all
    select max(completed_at) as completed_at
    from reviews
    where partner_id is null
        and coalesce(lower(scope), 'access') = 'access'
        and completed_at <= $as_of
),
judged as (
    select
        e.*,
        case
            when e.done <= cast($as_of as date) then 9
            when h.has_offboarding = 1 and e.is_ending = 1 then 9
            when h.has_review = 1 and e.needs_offboarding = 0 then 9
            when e.due >= cast($as_of as date) then 9
            when e.occurred is null and e.due is null then 3
            when e.due is null and e.occurred >= cast($due_days_before as date) then 9
            when e.needs_offboarding = 0 and cast(g.completed_at as date) >= e.occurred then 4
            when e.has_access is null then 5
            else 1
        end as rank
    from events e
    cross join general g
    left join held h on h.contract_id = e.contract_id and h.type = e.type and h.occurred = e.occurred
),
placed as (
    select
        j.*,
        sum(case when j.rank = 1 then 1 else 0 end) over (partition by j.partner_id) as such_events,
        row_number() over (
            partition by j.partner_id
            order by j.rank, j.is_ending desc, j.occurred desc, j.due desc, j.contract_id, j.type
        ) as place
    from judged j
)
select
    p.partner_id as subject_id,
    cast(null as varchar) as tenant_id,
    case p.rank when 1 then 'fail' when 9 then 'pass' else 'unknown' end as outcome,
    p.name as partner,
    'contract ' || p.contract_id || ' (' || replace(p.type, '_', ' ') || ')' as event,
    p.occurred,
    case when p.needs_offboarding = 1 then 'offboarding' when p.is_ending = 1 then 'offboarding or review' else 'review of access' end
        as checkpoint,
    case p.rank
        when 3 then 'the event has no day'
        when 4 then 'a review since then names no partner'
        when 5 then 'two partners claim the access'
    end as doubt,
    p.due,
    p.ticket,
    p.such_events as events_like_it,
    p.identities,
    p.register_row
from placed p
where p.place = 1
