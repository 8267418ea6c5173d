with clock as (
    select cast(as_of as timestamp) as as_of
    from scans
),
live as (
    select
        partner_id,
        count(*) filter (is_live and is_its_own) as things,
        count(*) filter (is_live is null or is_live and not is_its_own) as unsure
    from (
        select *, relation in ('operator', 'beneficiary', 'vendor') as is_its_own
        from partner_holdings
    )
    group by partner_id
),
steps as (
    select
        offboarding_id,
        max(done_at) as last_done_at,
        count(*) filter (is_gone = false) as standing,
        count(*) filter (done_at is null and is_gone is distinct from true) as undone,
        count(*) filter (done_at is null and is_gone) as undated
    from step_facts
    group by offboarding_id
),
ends as (
    select contract_id, max(ended_at) as ended_at
    from partner_tenants
    where is_ended
    group by contract_id
),
opened as (
    select
        o.partner_id,
        o.offboarding_id,
        coalesce(e.ended_at, case when p.is_ended then p.ended_at end) as ended_at,
        o.opened_at,
        o.due_at,
        o.verified_at,
        o.closed_at,
        o.steps,
        coalesce(s.undone, 0) as undone,
        coalesce(s.standing, 0) as standing,
        case when p.is_ended then coalesce(l.things, 0) else 0 end as living,
        case when p.is_ended then coalesce(l.unsure, 0) else 0 end as unsure,
        case
            when o.steps = 0 then coalesce(o.verified_at, o.closed_at)
            when coalesce(s.undated, 0) = 0 then s.last_done_at
            else coalesce(o.verified_at, o.closed_at)
        end as gone_at
    from offboarding_facts o
    join partner_facts p
      on p.partner_id = o.partner_id
    left join steps s
      on s.offboarding_id = o.offboarding_id
    left join ends e
      on e.contract_id = o.contract_id
    left join live l
      on l.partner_id = o.partner_id
),
timed as (
    select
        partner_id,
        offboarding_id,
        case when ended_at is null then opened_at else ended_at end as began_at,
        case when ended_at is null then 'offboarding opened' else 'contract ended' end as began_with,
        case when undone = 0 and standing = 0 and living = 0 then gone_at end as gone_at,
        case
            when standing > 0 or living > 0 then greatest(standing, living) || ' things still live'
            when undone > 0 then undone || ' of ' || steps || ' steps are open'
            when gone_at is null and steps = 0 then 'open, without steps'
            when gone_at is null then 'gone, and nobody wrote down when'
            when verified_at is null then 'done, and not verified'
            when unsure > 0 then 'verified; of ' || unsure || ' things it cannot be said'
            else 'verified'
        end as state,
        undone > 0 or standing > 0 or living > 0 or (gone_at is null and steps = 0) as is_running,
        due_at
    from opened
    union all
    select
        p.partner_id,
        null,
        p.ended_at,
        'contract ended',
        null,
        case
            when coalesce(l.things, 0) > 0 then 'no offboarding, ' || l.things || ' things still live'
            when p.has_access is null or l.unsure > 0 then 'no offboarding; cannot be said whether something lives'
            else 'no offboarding, and nothing is seen to live'
        end,
        case when l.things > 0 then true when p.has_access is null or l.unsure > 0 then null else false end,
        (select min(t.revoke_by) from partner_tenants t where t.partner_id = p.partner_id and t.is_ended)
    from partner_facts p
    left join live l
      on l.partner_id = p.partner_id
    where p.is_ended
      and p.contracts > 0
      and p.partner_id not in (select partner_id from offboarding_facts)
)
select
    p.name as partner,
    t.partner_id,
    p.tier,
    t.offboarding_id,
    t.state,
    case
        when t.is_running then greatest(date_diff('minute', t.began_at, c.as_of), 0) // 60
        when t.began_at is not null and t.gone_at is not null then greatest(date_diff('minute', t.began_at, t.gone_at), 0) // 60
    end as hours,
    t.is_running,
    case
        when t.due_at is null then 'no limit'
        when t.is_running and c.as_of <= t.due_at then 'not yet due'
        when t.is_running then 'late'
        when t.gone_at is null then 'cannot be said'
        when t.gone_at <= t.due_at then 'in time'
        else 'late'
    end as limit_kept,
    t.due_at,
    t.began_with,
    t.began_at,
    t.gone_at
from timed t
join partner_facts p
  on p.partner_id = t.partner_id
cross join clock c
where $partner in ('', t.partner_id)
order by t.is_running desc nulls first, hours desc nulls last, p.name, t.offboarding_id
