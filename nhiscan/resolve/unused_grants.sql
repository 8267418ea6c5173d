-- table_grants -> unused_parts: one row for each permission that gives the verb
create or replace temp view unused_parts as
with giving as (
    select g.*
    from table_grants g
    union all
    select g.* replace ('admin' as verb)
    from table_grants g
    where g.is_core
        and g.verb <> 'admin'
),
by_holder as (
    select
        g.holder_key,
        g.verb,
        g.permission,
        max(g.last_used_at) as last_used_at,
        bool_and(g.last_used_known) as is_known,
        min(g.granted_at) as granted_at
    from giving g
    where not g.is_conditional
    group by g.holder_key, g.verb, g.permission
),
by_set as (
    select
        h.set_key,
        g.verb,
        g.permission,
        max(g.last_used_at) as last_used_at,
        bool_and(g.is_known) as is_known,
        min(g.granted_at) as granted_at
    from table_set_holders h
    join by_holder g using (holder_key)
    group by h.set_key, g.verb, g.permission
)
select
    d.identity_key,
    d.verb,
    g.permission as name,
    g.last_used_at,
    g.is_known,
    g.granted_at
from by_set g
join table_sets s using (set_key)
join unused_held d
    on d.identity_key = s.identity_key
    and d.verb = g.verb;
