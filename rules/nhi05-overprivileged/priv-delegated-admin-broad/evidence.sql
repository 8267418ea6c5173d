-- Each delegation as it is written, and the group by which the identity has it.
with passed_on as (
    select identity_key, group_key
    from memberships
    union
    select m.identity_key, u.group_key
    from memberships u
    join memberships m on m.group_key = u.identity_key
)
select
    f.identity_id as subject_id,
    'delegated to it' || coalesce(' since ' || substr(cast(g.granted_at as varchar), 1, 10), '') as label,
    coalesce(g.permission, 'not read') || coalesce('; ' || g.statement, '') || coalesce('; over records: ' || g.record_scope, '') as value
from grants g
join identity_facts f on f.identity_key = g.identity_key
where g.source = 'delegation'
union all
select
    f.identity_id,
    'delegated to ' || coalesce(i.kind || ' ' || i.name, 'its group'),
    coalesce(g.permission, 'not read') || coalesce('; ' || g.statement, '') || coalesce('; over records: ' || g.record_scope, '')
from grants g
join passed_on m on m.group_key = g.identity_key
join identities i on i.identity_key = g.identity_key
join identity_facts f on f.identity_key = m.identity_key
where g.source = 'delegation'
