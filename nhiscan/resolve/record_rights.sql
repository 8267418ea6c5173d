-- Rights to objects and fields of a CRM: of whom they are judged, and through whom they are held. What a group holds is summed
-- up once for the group, then once for each set of groups, because thousands are in the same ones.

create or replace temp macro kind_of(identity_id) as regexp_extract(identity_id, '^[^:]*:[^:]*:([^/]*)/', 1);

-- whoever is judged, and as whom it acts: itself, and an app as the users whose live tokens it holds
create or replace temp table judged_as as
with judged as (
    select f.identity_key, f.tenant_id, f.is_external
    from identity_facts f
    where f.provider not in ('aws', 'vault')
        and (f.is_partner_related or f.is_external)
        and (f.is_enabled or f.is_installed is false)
)
select j.identity_key, j.tenant_id, j.identity_key as as_key, j.is_external, true as is_sure
from judged j
union all
select j.identity_key, j.tenant_id, h.user_key, u.is_external, coalesce(h.sure >= 2, false)
from held_tokens h
join judged j on j.identity_key = h.app_key
join identities u on u.identity_key = h.user_key
where h.most >= 2;

-- what each holder, a group or an identity, holds of each object; scope: 0 own, 1 account, 2 team, 3 all
create or replace temp table holder_objects as
with said as (
    select g.identity_key as holder_key, g.resource_key, trim(unnest(string_split(g.permission, ','))) as permission,
        case g.record_scope when 'own' then 0 when 'account' then 1 when 'team' then 2 when 'all' then 3 end as scope
    from grants g
    join data_objects d on d.resource_key = g.resource_key and d.field_name is null
    where g.identity_key is not null
        and not coalesce(g.has_other_conditions, false)
        and coalesce(g.narrowed_by, '') = ''
        and coalesce(g.expires_at > (select max(as_of) from scans), true)
)
select
    holder_key,
    resource_key,
    bool_or(permission in ('object:read', 'object:edit', 'object:delete', 'object:view_all', 'object:modify_all')) as can_read,
    bool_or(permission in ('object:create', 'object:edit', 'object:delete', 'object:modify_all')) as can_write,
    bool_or(permission in ('object:edit', 'object:modify_all')) as can_edit,
    -- the sharing of the object says how far
    bool_or(permission in ('object:read', 'object:edit', 'object:delete') and scope is null) as is_by_sharing,
    max(case when permission in ('object:view_all', 'object:modify_all') then 3 else scope end)
        filter (starts_with(permission, 'object:')) as scope,
    max(coalesce(scope, 2)) filter (starts_with(permission, 'sharing:')) as shared
from said
group by holder_key, resource_key;

-- rights to all objects, and a partner's right to the records of its whole account
create or replace temp table holder_everywhere as
with said as (
    select g.identity_key as holder_key, trim(unnest(string_split(g.permission, ','))) as permission
    from grants g
    where g.resource_key is null
        and g.identity_key is not null
        and not coalesce(g.has_other_conditions, false)
        and coalesce(g.narrowed_by, '') = ''
        and coalesce(g.expires_at > (select max(as_of) from scans), true)
)
select
    holder_key,
    bool_or(permission in ('ViewAllData', 'ModifyAllData')) as can_read,
    bool_or(permission = 'ModifyAllData') as can_write,
    bool_or(permission = 'portal_super_user') as is_super
from said
where permission in ('ViewAllData', 'ModifyAllData', 'portal_super_user')
group by holder_key;

create or replace temp table judged_holders as
with through as (
    select distinct as_key, as_key as holder_key
    from judged_as
    union
    select a.as_key, m.group_key
    from judged_as a
    join group_members m on m.identity_key = a.as_key
)
select *
from through
where holder_key in (select holder_key from holder_objects)
    or holder_key in (select holder_key from holder_everywhere);

-- sets of holders, each called by the smallest identity that has it
create or replace temp table holder_sets as
with listed as (
    select h.as_key, list_sort(list(h.holder_key)) as holders
    from judged_holders h
    group by h.as_key
)
select as_key, min(as_key) over (partition by holders) as set_key
from listed;

create or replace temp table set_holders as
select h.as_key as set_key, h.holder_key
from judged_holders h
join holder_sets s on s.as_key = h.as_key and s.set_key = h.as_key;

create or replace temp table set_objects as
with everywhere as (
    select
        s.set_key,
        bool_or(e.can_read) as can_read,
        bool_or(e.can_write) as can_write,
        min(s.holder_key) filter (e.can_read) as via_key,
        min(s.holder_key) filter (e.is_super) as super_key,
        any_value(i.tenant_id) as tenant_id
    from set_holders s
    join holder_everywhere e using (holder_key)
    join identities i on i.identity_key = s.holder_key
    group by s.set_key
),
found as (
    select
        s.set_key,
        o.resource_key,
        bool_or(o.can_read) as can_read,
        bool_or(o.can_write) as can_write,
        bool_or(o.can_edit) as can_edit,
        bool_or(o.is_by_sharing) as is_by_sharing,
        max(o.scope) as scope,
        max(o.shared) as shared,
        min(s.holder_key) filter (o.can_read or o.can_write) as via_key,
        arg_max(s.holder_key, (o.scope, -s.holder_key)) filter (o.scope is not null) as scope_key,
        arg_max(s.holder_key, (o.shared, -s.holder_key)) filter (o.shared is not null) as shared_key
    from set_holders s
    join holder_objects o using (holder_key)
    group by s.set_key, o.resource_key
    union all
    select e.set_key, d.resource_key, true, e.can_write, e.can_write, false, 3, null, e.via_key, e.via_key, null
    from everywhere e
    join resources r on r.tenant_id = e.tenant_id
    join data_objects d on d.resource_key = r.resource_key and d.field_name is null
    where e.can_read
),
summed as (
    select
        set_key,
        resource_key,
        bool_or(can_read) as can_read,
        bool_or(can_write) as can_write,
        bool_or(can_edit) as can_edit,
        bool_or(is_by_sharing) as is_by_sharing,
        max(scope) as scope,
        max(shared) as shared,
        min(via_key) as via_key,
        arg_max(scope_key, (scope, -scope_key)) filter (scope is not null) as scope_key,
        arg_max(shared_key, (shared, -shared_key)) filter (shared is not null) as shared_key
    from found
    group by set_key, resource_key
    having bool_or(can_read) or bool_or(can_write)
)
select s.*, e.super_key
from summed s
left join everywhere e using (set_key)
