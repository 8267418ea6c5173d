-- table_grants -> privileges: one row for each verb, scope, certainty and level of an identity; a row that a wider and surer
-- one of its verb includes is left out
insert into privileges
with placed as (
    select
        *,
        resource_key is null as is_everywhere,
        case when verb = 'unknown' then 'potential' when is_conditional then 'conditional' else 'definite' end as certainty
    from table_grants
),
widths as (
    select
        identity_key,
        verb,
        is_over_resources,
        least(most, case when is_everywhere then 4 when min(resource_key) < max(resource_key) then 2 else 1 end) as scope,
        certainty,
        min(via_key) as via_key,
        count(*) filter (via_key is null) as direct,
        list(distinct permission) as permissions
    from placed
    group by identity_key, verb, is_over_resources, most, certainty, is_everywhere
),
merged as (
    select
        w.identity_key,
        w.verb,
        w.scope,
        l.name,
        w.certainty,
        case w.certainty when 'definite' then 2 when 'conditional' then 1 else 0 end as weight,
        l.level,
        case when sum(w.direct) = 0 then min(w.via_key) end as via_key,
        list_sort(list_distinct(flatten(list(w.permissions)))) as permissions
    from widths w
    join table_levels l
        on l.verb = w.verb
        and l.scope = w.scope
        and l.is_over_resources = w.is_over_resources
    group by w.identity_key, w.verb, w.scope, l.name, w.certainty, l.level
),
kept as (
    select *
    from merged m
    where not exists (
        select 1
        from merged o
        where o.identity_key = m.identity_key
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
        g.identity_key,
        c.part,
        max(case when g.is_conditional then 1 else 2 end) as weight
    from table_grants g
    join table_core c on c.written = g.written
    where g.resource_key is null
    group by g.identity_key, c.part
),
administrators as (
    select identity_key, min(weight) as weight
    from filled
    group by identity_key
    having count(*) = $parts
),
found as (
    select identity_key, verb, name as scope, certainty, level, via_key, permissions
    from kept
    union all
    select identity_key, 'admin', 'all', ['potential', 'conditional', 'definite'][weight + 1], 5, null, [$core]
    from administrators a
    where not exists (
        select 1
        from kept k
        where k.identity_key = a.identity_key
            and k.verb = 'admin'
            and k.weight >= a.weight
    )
    union all
    select i.identity_key, 'none', 'self', 'definite', 0, null, null
    from identities i
    where i.provider = $provider
        and i.kind not in ('group', 'entity')
        and not exists (
            select 1
            from table_grants g
            where g.identity_key = i.identity_key
        )
)
select
    identity_key,
    verb,
    scope,
    certainty,
    level,
    null as policy_key,
    via_key,
    nullif(
        array_to_string(permissions[1:5], ', ')
            || case when len(permissions) > 5 then ' and ' || (len(permissions) - 5) || ' more' else '' end,
        ''
    ) as statement,
    'grants only add; those that ended are left out' as considered
from found;
