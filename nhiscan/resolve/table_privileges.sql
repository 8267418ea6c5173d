-- table_grants -> privileges: one row for each verb, scope, certainty and level of an identity; a row that a wider and surer
-- one of its verb includes is left out. Worked out for each holder, then for each set of holders, then told to all who have it.
-- Permissions are bits in the order of their names, as lists of names would need ten times the memory.
insert into privileges
with placed as (
    select
        *,
        resource_key is null as is_everywhere,
        case when verb = 'unknown' then 'potential' when is_conditional then 'conditional' else 'definite' end as certainty,
        case record_scope when 'own' then 0 when 'account' then 2 when 'team' then 2 when 'all' then 4 end as given,
        -- of a CRM's objects the sharing says how far a right to data goes
        is_of_records and verb in ('read-data', 'write-data') as is_shared,
        set_bit(bitstring('0'::bit, (select count(*)::integer from table_names)), n.place::integer, 1) as bits
    from table_grants
    join table_names n using (permission)
),
reaching as (
    select
        *,
        case
            when internal_sharing = 'write' or internal_sharing = 'read' and verb = 'read-data' then 4
            else 0
        end as inside,
        case
            when external_sharing = 'write' or external_sharing = 'read' and verb = 'read-data' then 4
            else 0
        end as outside,
        coalesce(internal_sharing not in ('private', 'read', 'write'), true) as is_open_inside,
        coalesce(external_sharing not in ('private', 'read', 'write'), true) as is_open_outside
    from placed
),
by_holder as (
    select
        holder_key,
        verb,
        is_over_resources,
        most,
        certainty,
        is_everywhere,
        given,
        is_shared and given is null as is_by_sharing,
        case when is_shared and given is null then inside end as inside,
        case when is_shared and given is null then outside end as outside,
        is_shared and given is null and is_open_inside as is_open_inside,
        is_shared and given is null and is_open_outside as is_open_outside,
        min(resource_key) as first_resource,
        max(resource_key) as last_resource,
        bit_or(bits) as bits
    from reaching
    group by all
),
by_set as (
    select
        h.set_key,
        h.via_key,
        g.*,
        coalesce(
            g.given,
            case
                when not g.is_by_sharing then null
                when h.is_external then g.outside
                when h.is_external is false then g.inside
                else least(g.inside, g.outside)
            end
        ) as fixed,
        case
            when h.is_external then g.is_open_outside
            when h.is_external is false then g.is_open_inside
            else g.is_open_inside or g.is_open_outside or g.inside <> g.outside
        end as is_open
    from table_set_holders h
    join by_holder g using (holder_key)
),
-- what a sharing rule for one group adds to the right that is held through another
widened as (
    select
        r.set_key,
        p.verb,
        p.is_over_resources,
        p.most,
        p.certainty,
        p.bits,
        h.via_key
    from table_set_holders r
    join table_sharing x on x.holder_key = r.holder_key
    join table_set_holders h on h.set_key = r.set_key
    join placed p
        on p.holder_key = h.holder_key
        and p.resource_key = x.resource_key
    where p.is_shared
        and p.given is null
        and (p.verb = 'read-data' or x.is_for_writing)
),
widths as (
    select
        set_key,
        verb,
        is_over_resources,
        least(
            most,
            coalesce(
                fixed,
                case when is_everywhere then 4 when min(first_resource) < max(last_resource) then 2 else 1 end
            )
        ) as scope,
        certainty,
        min(via_key) as via_key,
        count(*) filter (via_key is null) as direct,
        bit_or(bits) as bits
    from by_set
    group by set_key, verb, is_over_resources, most, certainty, is_everywhere, fixed
    union all
    select set_key, verb, is_over_resources, least(most, 2), certainty, min(via_key), count(*) filter (via_key is null),
        bit_or(bits)
    from widened
    group by set_key, verb, is_over_resources, most, certainty
    union all
    select set_key, verb, is_over_resources, most, 'potential', min(via_key), count(*) filter (via_key is null),
        bit_or(bits)
    from by_set
    where is_open
    group by set_key, verb, is_over_resources, most
),
merged as (
    select
        w.set_key,
        w.verb,
        w.scope,
        l.name,
        w.certainty,
        case w.certainty when 'definite' then 2 when 'conditional' then 1 else 0 end as weight,
        l.level,
        case when sum(w.direct) = 0 then min(w.via_key) end as via_key,
        bit_or(w.bits) as bits
    from widths w
    join table_levels l
        on l.verb = w.verb
        and l.scope = w.scope
        and l.is_over_resources = w.is_over_resources
    group by w.set_key, w.verb, w.scope, l.name, w.certainty, l.level
),
kept as (
    select *
    from merged m
    where not exists (
        select 1
        from merged o
        where o.set_key = m.set_key
            and o.verb = m.verb
            and o.scope >= m.scope
            and o.weight >= m.weight
            and (o.scope, o.weight, coalesce(o.level, -1)) <> (m.scope, m.weight, coalesce(m.level, -1))
            and coalesce(o.level = m.level or o.level = 5 or o.level > m.level, o.level is null and m.level is null)
    )
),
-- administrators: as sure as the least sure part that is needed
filled as (
    select
        h.set_key,
        c.part,
        max(case when g.is_conditional then 1 else 2 end) as weight
    from (select distinct holder_key, written, is_conditional from table_grants where resource_key is null) g
    join table_core c on c.written = g.written
    join table_set_holders h using (holder_key)
    group by h.set_key, c.part
),
administrators as (
    select set_key, min(weight) as weight
    from filled
    group by set_key
    having count(*) = $parts
),
-- the first names of each combination of permissions, and how many there are
named as (
    select bits, min(permission, 5) as names, count(*) as permissions
    from (select distinct bits from kept) k
    join table_names n on get_bit(k.bits, n.place::integer) = 1
    group by bits
),
found as (
    select
        k.set_key,
        k.verb,
        k.name as scope,
        k.certainty,
        k.level,
        k.via_key,
        nullif(
            array_to_string(n.names, ', ')
                || case when n.permissions > 5 then ' and ' || (n.permissions - 5) || ' more' else '' end,
            ''
        ) as statement
    from kept k
    left join named n using (bits)
    union all
    select set_key, 'admin', 'all', ['potential', 'conditional', 'definite'][weight + 1], 5, null, $core
    from administrators a
    where not exists (
        select 1
        from kept k
        where k.set_key = a.set_key
            and k.verb = 'admin'
            and k.weight >= a.weight
    )
)
select
    s.identity_key,
    w.verb,
    w.scope,
    w.certainty,
    w.level,
    null as policy_key,
    w.via_key,
    w.statement,
    'grants only add; those that ended are left out' as considered
from found w
join table_sets s using (set_key)
union all
select i.identity_key, 'none', 'self', 'definite', 0, null, null, null, 'grants only add; those that ended are left out'
from identities i
where i.provider = $provider
    and i.kind not in ('group', 'entity')
    and not exists (
        select 1
        from table_sets s
        join table_set_holders h using (set_key)
        where s.identity_key = i.identity_key
            and h.holder_key in (select holder_key from table_grants)
    );
