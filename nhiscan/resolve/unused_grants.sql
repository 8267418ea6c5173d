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
)
select
    g.identity_key,
    g.verb,
    g.permission as name,
    max(g.last_used_at) as last_used_at,
    bool_and(g.last_used_known) as is_known,
    min(g.granted_at) as granted_at
from giving g
join unused_held d
    on d.identity_key = g.identity_key
    and d.verb = g.verb
where not g.is_conditional
group by g.identity_key, g.verb, g.permission;
