-- Steps of offboardings and what is left of their targets. A target is found by its id, else by native id or name. It is gone where it
-- opens nothing, and where nothing has its id although what would show it was read; a name alone proves nothing by its absence, because
-- it may be that of something in a system that was never read.

-- The clock of an offboarding begins when it was opened, and not before the contract ends unless it is due by then. What is to be
-- closed or verified some day is neither yet.
create or replace temp table begun as
with ended as (
    select covered_id as partner_id, contract_id, ended_at as ends_at, revoke_sla_hours
    from covering
    where state = 'ended'
    qualify row_number() over (partition by covered_id order by ended_at desc nulls last, contract_id) = 1
),
named as (
    select c.contract_id, c.revoke_sla_hours,
        coalesce(s.ended_at, (coalesce(least(c.terminated_on, c.end_date), s.last_day) + 1)::timestamp) as ends_at
    from contracts c
    left join contract_states s using (contract_id)
),
placed as (
    select o.*,
        coalesce(n.contract_id, e.contract_id) as its_contract_id,
        case when n.contract_id is not null then n.ends_at else e.ends_at end as ends_at,
        case when n.contract_id is not null then n.revoke_sla_hours else e.revoke_sla_hours end as sla_hours
    from offboardings o
    left join named n on n.contract_id = o.contract_id
    left join ended e on e.partner_id = o.partner_id
)
select p.* exclude (contract_id, its_contract_id, closed_at, verified_at, verified_by), p.its_contract_id as contract_id,
    case when p.closed_at <= s.as_of then p.closed_at end as closed_at,
    case when p.verified_at <= s.as_of then p.verified_at end as verified_at,
    case when coalesce(p.verified_at <= s.as_of, true) then p.verified_by end as verified_by,
    case
        when p.opened_at is null then null
        when p.due_at <= p.ends_at then p.opened_at
        else greatest(p.opened_at, p.ends_at)
    end as began_at,
    -- of the contract the hours run from its end, however late somebody began
    coalesce(p.due_at, coalesce(p.ends_at, p.opened_at) + to_hours(p.sla_hours)) as due,
    case when p.due_at is not null then 'offboarding' when coalesce(p.ends_at, p.opened_at) is not null and p.sla_hours is not null
        then 'contract' end as due_by
from placed p
cross join scans s;

-- what shows things of a kind: it has to be covered, the others only where they were read at all
create or replace temp table shown_by as
select * from (values
    ('identity', 'identities', true),
    ('identity', 'apps', false),
    ('credential', 'identities', true),
    ('credential', 'credentials', true),
    ('credential', 'credentials.passwords', false),
    ('credential', 'credentials.service_specific', false),
    ('credential', 'sessions', false),
    ('credential', 'apps', false),
    ('secret', 'stored_secrets', true),
    ('secret', 'resources', false),
    ('resource', 'resources', true),
    ('resource', 'workloads', false),
    ('trust', 'trusts', true),
    ('grant', 'grants', true),
    ('grant', 'grants.objects', false),
    ('grant', 'delegated_admins', false),
    ('membership', 'memberships', true),
    ('workload', 'resources', true),
    ('workload', 'workloads', true)
) t (kind, dataset, is_needed)
union all
select 'app', dataset, is_needed
from (values ('identities', true), ('credentials', true), ('apps', false)) t (dataset, is_needed);

create or replace temp table tenant_reads as
with said as (
    select c.tenant_id, c.dataset,
        bool_and(s.status is not null) as is_covered,
        bool_or(c.status = 'carried') as is_carried
    from coverage c
    left join covered_statuses s using (status)
    group by c.tenant_id, c.dataset
),
kinds as (
    select kind, dataset, is_needed
    from shown_by
    union all
    -- of a thing whose kind nobody wrote down, everything
    select 'any', dataset, bool_or(is_needed and dataset in ('identities', 'credentials'))
    from shown_by
    group by dataset
)
select t.tenant_id, k.kind,
    bool_and(coalesce(s.is_covered, not k.is_needed)) as is_covered,
    bool_or(coalesce(s.is_carried, false)) as is_carried,
    string_agg(k.dataset, ', ' order by k.dataset) filter (not coalesce(s.is_covered, not k.is_needed)) as missing
from (select distinct tenant_id from coverage) t
cross join kinds k
left join said s on s.tenant_id = t.tenant_id and s.dataset = k.dataset
group by t.tenant_id, k.kind;

create or replace temp table targets as
select o.offboarding_id, o.partner_id, t.step, t.action, o.opened_at,
    case when t.done_at <= n.as_of then t.done_at end as done_at,
    t.target_id,
    lower(trim(t.target_id)) as wanted,
    case lower(trim(t.target_kind))
        when 'account' then 'identity'
        when 'user' then 'identity'
        when 'role' then 'identity'
        when 'key' then 'credential'
        when 'token' then 'credential'
        when 'integration' then 'app'
        else lower(trim(t.target_kind))
    end as target_kind,
    o.began_at
from offboarding_steps t
join begun o using (offboarding_id)
cross join scans n;

-- everything in the inventory that a step may name; is_live: it opens something
create or replace temp table step_things as
with held as (
    select partner_id, thing_id,
        case when bool_or(is_live) then true when bool_or(is_live is null) then null else false end as is_live,
        min(rotated_at) as rotated_at
    from partner_holdings
    where partner_id in (select partner_id from targets)
    group by partner_id, thing_id
),
-- the oldest of what an identity can be used with
used_with as (
    select identity_key, case when count(created_at) = count(*) then min(created_at) end as created_at
    from credential_facts
    where is_live
    group by identity_key
),
things as (
    select case when i.kind in ('oauth_app', 'private_app') then 'app' else 'identity' end as kind,
        i.identity_id as thing_id, i.tenant_id, i.native_id, i.name,
        f.has_access as is_live,
        u.created_at as changed_at,
        i.status
    from identities i
    left join identity_facts f using (identity_key)
    left join used_with u using (identity_key)
    union all
    select 'credential', c.credential_id, c.tenant_id, c.native_id, null, c.is_live, c.created_at, null
    from credential_facts c
    union all
    select case when s.resource_key is null then 'resource' else 'secret' end,
        r.resource_id, r.tenant_id, r.native_id, r.name,
        case when s.resource_key is not null then true end,
        s.changed_at,
        null
    from resources r
    left join (
        select resource_key, max(greatest(updated_at, rotated_at)) as changed_at
        from stored_secrets
        group by resource_key
    ) s using (resource_key)
    union all
    select 'trust', t.trust_id, t.tenant_id, t.account, t.principal, true, null, null
    from trusts t
    union all
    select 'grant', g.grant_id, g.tenant_id, g.account, g.principal, coalesce(g.expires_at > s.as_of, true), null, null
    from grants g
    cross join scans s
),
-- what only the holdings know, such as a membership
everything as (
    select *
    from things
    union all
    select distinct h.thing_kind, h.thing_id, h.tenant_id, null, h.name, null::boolean, null::timestamp, null
    from partner_holdings h
    anti join things t using (thing_id)
    where h.partner_id in (select partner_id from targets)
),
found as (
    select t.offboarding_id, t.step, t.partner_id, t.wanted, 1 as rank, x.*
    from targets t
    join everything x on lower(x.thing_id) = t.wanted
    union
    select t.offboarding_id, t.step, t.partner_id, t.wanted, 2, x.*
    from targets t
    join everything x on lower(x.native_id) = t.wanted
    union
    select t.offboarding_id, t.step, t.partner_id, t.wanted, 2, x.*
    from targets t
    join everything x on lower(x.name) = t.wanted
),
nearest as (
    select *
    from found
    qualify rank = min(rank) over (partition by offboarding_id, step)
)
select n.* replace (
        case when h.thing_id is not null then h.is_live else n.is_live end as is_live,
        coalesce(n.changed_at, h.rotated_at) as changed_at
    ),
    h.thing_id is not null as is_partners,
    count(*) over (partition by n.offboarding_id, n.step) as things
from nearest n
left join held h on h.partner_id = n.partner_id and h.thing_id = n.thing_id;

create or replace temp table step_sights as
with weighed as (
    select t.offboarding_id, t.step, t.partner_id, t.action, t.opened_at,
        x.thing_id, x.kind, x.status, x.changed_at,
        case
            -- somebody else's thing may have that name too
            when x.rank = 2 and not x.is_partners and (x.things > 1 or lower(x.name) = t.wanted) then 'other'
            when coalesce(r.is_carried, true) then 'carried'
            when t.action = 'rotate_shared_secret' and x.is_live is false and coalesce(r.is_covered, false) then 'dead'
            when t.action = 'rotate_shared_secret' and t.opened_at is null then 'undated'
            when t.action = 'rotate_shared_secret' and x.changed_at > t.opened_at then 'replaced'
            when t.action = 'rotate_shared_secret' and x.changed_at is not null then 'kept'
            when t.action = 'rotate_shared_secret' then 'unknown'
            when x.is_live then 'alive'
            when x.is_live is false and coalesce(r.is_covered, false) then 'dead'
            else 'unknown'
        end as state
    from targets t
    join step_things x on x.offboarding_id = t.offboarding_id and x.step = t.step
    left join tenant_reads r on r.tenant_id = x.tenant_id and r.kind = x.kind
    -- where the partner has one of that name, others are not meant
    qualify x.rank = 1 or x.is_partners or not bool_or(x.is_partners) over (partition by t.offboarding_id, t.step)
)
select offboarding_id, step, thing_id,
    case state when 'alive' then false when 'kept' then false when 'dead' then true when 'replaced' then true end as is_gone,
    case state
        when 'alive' then kind || ' is still there and opens something'
        when 'kept' then kind || ' has the value of ' || strftime(changed_at, '%Y-%m-%d') || ', older than the offboarding'
        when 'replaced' then kind || ' was replaced on ' || strftime(changed_at, '%Y-%m-%d')
        when 'dead' then kind || coalesce(' is ' || nullif(status, 'enabled') || ' and', '') || ' opens nothing'
        when 'other' then 'something has this name, but nothing says that it is the partner''s'
        when 'carried' then kind || ' was not read in this scan'
        when 'undated' then kind || ' is there, and the offboarding has no opening day to compare its value with'
        else kind || ' is there, and whether it opens something cannot be said'
    end as seen
from weighed
-- of several the worst, since the step is about all of them
qualify row_number() over (
    partition by offboarding_id, step
    order by case state when 'alive' then 0 when 'kept' then 0 when 'dead' then 2 when 'replaced' then 2 else 1 end, thing_id
) = 1;

-- A step without a target says that everything of its kind is done, wherever the partner's contract is not in force.
create or replace temp table step_sums as
with kinds as (
    select * from (values
        ('revoke_access', 'identity'), ('revoke_access', 'credential'), ('revoke_access', 'membership'),
        ('remove_delegation', 'trust'), ('remove_delegation', 'grant'),
        ('rotate_shared_secret', 'secret'),
        ('close_integration', 'app'), ('close_integration', 'workload')
    ) k (action, kind)
),
unread as (
    select k.action, count(*) as tenants, min(r.tenant_id || ': ' || coalesce(r.missing, 'carried')) as first_unread
    from kinds k
    join tenant_reads r on r.kind = k.kind
    where (r.is_carried or not r.is_covered)
        and split_part(r.tenant_id, ':', 1) not in ('register', 'files')
    group by k.action
),
held as (
    select distinct t.offboarding_id, t.step, h.thing_id, h.name,
        case
            when h.is_live is false then 'dead'
            when t.action = 'rotate_shared_secret' and h.rotated_at > t.opened_at then 'dead'
            when coalesce(r.is_carried, true) or h.relation in ('disputed', 'suggested') then 'unknown'
            when t.action = 'rotate_shared_secret' and (h.rotated_at is null or t.opened_at is null) then 'unknown'
            when h.is_live or t.action = 'rotate_shared_secret' then 'alive'
            else 'unknown'
        end as state
    from targets t
    join partner_holdings h on h.partner_id = t.partner_id and h.action = t.action
    left join partner_tenants p on p.partner_id = h.partner_id and p.tenant_id = h.tenant_id
    left join tenant_reads r on r.tenant_id = h.tenant_id and r.kind = h.thing_kind
    where coalesce(t.wanted, '') = ''
        and not coalesce(p.has_contract, false)
),
counted as (
    select offboarding_id, step,
        count(*) filter (state = 'alive') as alive,
        min(name) filter (state = 'alive') as first_alive,
        count(*) filter (state = 'unknown') as unsure,
        min(name) filter (state = 'unknown') as first_unsure
    from held
    group by offboarding_id, step
)
select t.offboarding_id, t.step,
    case
        when c.alive > 0 then false
        when c.unsure > 0 or u.tenants > 0 then null
        else true
    end as is_gone,
    case
        when c.alive = 1 then c.first_alive || ' still opens something'
        when c.alive > 1 then c.alive || ' things of the partner still open something, first ' || c.first_alive
        when c.unsure > 0 then 'of ' || c.unsure || ' things of the partner it cannot be said, first ' || c.first_unsure
        when u.tenants > 0 then 'nothing of the kind was found, but not everything was read: ' || u.first_unread
        else 'nothing of the kind is left'
    end as seen
from targets t
left join counted c on c.offboarding_id = t.offboarding_id and c.step = t.step
left join unread u on u.action = t.action
where coalesce(t.wanted, '') = '';

delete from step_facts;

insert into step_facts by name
with placed as (
    select t.offboarding_id, t.step, k.tenant_id, r.is_covered, r.missing
    from targets t
    join (select distinct tenant_id from coverage) k on starts_with(t.wanted, lower(k.tenant_id) || ':')
    left join shown_by b on b.kind = t.target_kind
    left join tenant_reads r on r.tenant_id = k.tenant_id and r.kind = coalesce(b.kind, 'any')
    qualify row_number() over (partition by t.offboarding_id, t.step order by length(k.tenant_id) desc, r.missing) = 1
)
select t.offboarding_id, t.partner_id, t.step, t.action, t.target_id, s.thing_id, t.opened_at, t.done_at,
    case
        when t.began_at <= coalesce(t.done_at, n.as_of)
            then cast(ceil((epoch(coalesce(t.done_at, n.as_of)) - epoch(t.began_at)) / 3600) as bigint)
        when t.done_at < t.began_at then 0
    end as hours,
    case
        when t.action not in ('revoke_access', 'rotate_shared_secret', 'close_integration', 'remove_delegation') then null
        when m.step is not null then m.is_gone
        when s.step is not null then s.is_gone
        -- with the place where a value stood, the value itself need not be worthless
        when t.action = 'rotate_shared_secret' and coalesce(t.target_kind, '') not in ('credential', 'identity', 'app') then null
        when p.is_covered then true
    end as is_gone,
    case
        when t.action not in ('revoke_access', 'rotate_shared_secret', 'close_integration', 'remove_delegation')
            then 'no scan sees whether this was done'
        when m.step is not null then m.seen
        when s.step is not null then s.seen
        when t.action = 'rotate_shared_secret' and p.is_covered and coalesce(t.target_kind, '') not in ('credential', 'identity', 'app')
            then 'no longer in ' || p.tenant_id || '; whether its value was replaced does not show'
        when p.is_covered then 'nothing in ' || p.tenant_id || ' has this id any more'
        when p.step is not null then 'not found in ' || p.tenant_id || ', of which was not read: ' || p.missing
        else 'nothing that was read has this id or name, and it does not say in which system it was'
    end as seen
from targets t
cross join scans n
left join step_sights s on s.offboarding_id = t.offboarding_id and s.step = t.step
left join step_sums m on m.offboarding_id = t.offboarding_id and m.step = t.step
left join placed p on p.offboarding_id = t.offboarding_id and p.step = t.step
order by t.offboarding_id, t.step;

delete from offboarding_facts;

insert into offboarding_facts by name
select b.offboarding_id, b.partner_id, b.contract_id, b.opened_at, b.began_at, b.due as due_at, b.due_by, b.closed_at, b.verified_at,
    b.verified_by,
    case
        when b.began_at <= coalesce(b.closed_at, s.as_of)
            then cast(ceil((epoch(coalesce(b.closed_at, s.as_of)) - epoch(b.began_at)) / 3600) as bigint)
        when b.closed_at < b.began_at then 0
    end as hours,
    count(t.step) as steps,
    count(t.done_at) filter (t.done_at <= s.as_of) as steps_done,
    b.register_row
from begun b
cross join scans s
left join offboarding_steps t using (offboarding_id)
group by all
order by b.offboarding_id;

delete from event_checkpoints;

insert into event_checkpoints by name
with held as (
    select partner_id, 'review' as kind, review_id as checkpoint_id, lower(scope) as scope, null as contract_id,
        case when completed_at <= s.as_of then completed_at end as held_at, null::timestamp as closed_at
    from reviews
    cross join scans s
    union all
    select partner_id, 'offboarding', offboarding_id, null, contract_id,
        case when opened_at <= s.as_of then opened_at end,
        case when closed_at <= s.as_of then closed_at end
    from offboardings
    cross join scans s
)
select distinct e.contract_id, lower(e.type) as type, e.occurred, h.kind, h.checkpoint_id, h.scope,
    coalesce(h.contract_id = e.contract_id, false) as is_of_contract,
    h.held_at,
    cast(h.held_at as date) - e.occurred as days_after,
    h.closed_at
from contract_events e
join contracts c using (contract_id)
join held h on h.partner_id = c.partner_id
order by all
