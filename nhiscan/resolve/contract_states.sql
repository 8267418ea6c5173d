-- Contracts that grant access, their state at as_of, and the partners that they cover. A last day counts in full: a contract
-- ends with the first moment of the day after.

create or replace temp table contract_states as
with dated as (
    select c.*,
        s.as_of,
        case
            when lower(c.status) = 'terminated' then coalesce(c.terminated_on, e.occurred, c.end_date)
            when lower(c.status) = 'expired' then coalesce(c.end_date, e.occurred, c.terminated_on)
            else least(c.terminated_on, c.end_date)
        end as last_day
    from contracts c
    cross join scans s
    left join (
        select v.contract_id, max(v.occurred) as occurred
        from contract_events v
        cross join scans s
        where lower(v.type) in ('terminated', 'termination', 'expired', 'expiry')
            and v.occurred <= s.as_of::date
        group by v.contract_id
    ) e using (contract_id)
    where coalesce(c.grants_access, c.kind is null or lower(c.kind) not in ('nda', 'dpa'))
),
timed as (
    select *, (last_day + 1)::timestamp as ends_at
    from dated
),
judged as (
    select *,
        case
            when lower(status) = 'draft' then 'draft'
            when not dates_readable then 'unreadable'
            when lower(status) in ('terminated', 'expired') and ends_at is null then 'ended'
            when ends_at <= as_of and lower(status) in ('terminated', 'expired') then 'ended'
            when ends_at > as_of and lower(status) = 'expired' then 'contradictory'
            when (terminated_on + 1)::timestamp <= as_of then 'ended'
            when ends_at <= as_of and not (coalesce(auto_renew, false) and notice_date is null) then 'ended'
            when lower(status) = 'suspended' then 'suspended'
            when start_date > as_of::date then 'future'
            else 'in_force'
        end as state
    from timed
)
select contract_id, partner_id, kind, auto_renew, last_day, covers_subsidiaries, security_terms, revoke_sla_hours, register_row,
    case state when 'contradictory' then 'unreadable' else state end as state,
    case when state = 'ended' then ends_at end as ended_at,
    state = 'in_force' and ends_at <= as_of as is_renewal_unconfirmed,
    'contract ' || contract_id || coalesce(' (' || kind || ')', '') || case
        when state = 'draft' then ' is a draft'
        when state = 'unreadable' then ' has a date that could not be read'
        when state = 'contradictory' then ' is called expired, but its last day is ' || last_day::varchar
        when state = 'suspended' then ' is suspended'
        when state = 'future' then ' starts on ' || start_date::varchar
        when state = 'ended' and ends_at is null then ' is called ' || lower(status) || ' without a date'
        when state = 'ended' and lower(status) in ('terminated', 'expired')
            then ' is called ' || lower(status) || '; its last day was ' || last_day::varchar
        when state = 'ended' and terminated_on = last_day then ' was terminated; its last day was ' || last_day::varchar
        when state = 'ended' and coalesce(auto_renew, false)
            then ' ended after notice of ' || notice_date::varchar || '; its last day was ' || last_day::varchar
        when state = 'ended' then ' does not renew itself; its last day was ' || last_day::varchar
        when ends_at <= as_of then ' renews itself and nobody gave notice; its last day was ' || last_day::varchar
        when last_day is null then ' is in force without an end'
        else ' is in force until ' || last_day::varchar
    end as words
from judged;

-- parents above each partner; `union` forgets repeats, so a cycle ends
create or replace temp table parents as
with recursive above (partner_id, above_id) as (
    select partner_id, parent_id
    from partners
    where parent_id is not null
        and coalesce(lower(relation), '') <> 'sub_processor'
    union
    select a.partner_id, p.parent_id
    from above a
    join partners p on p.partner_id = a.above_id
    where p.parent_id is not null
        and coalesce(lower(p.relation), '') <> 'sub_processor'
)
select partner_id, above_id
from above
where above_id <> partner_id;

create or replace temp table covering as
select partner_id as covered_id, *
from contract_states
union all
select p.partner_id, c.* replace (c.words || ', of ' || c.partner_id || ', covering partners below' as words)
from parents p
join contract_states c on c.partner_id = p.above_id
where c.covers_subsidiaries
