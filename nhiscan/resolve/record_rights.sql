-- Rights to objects and fields of a CRM: of whom they are judged, and through whom they are held. What a group holds is summed
-- up once for the group, then once for each set of groups, because thousands are in the same ones.
-- `can` and `scope` are definite, `may` and `most` count conditional grants too. Scopes: 0 own, 1 account, 2 team, 3 all.

-- a number whose maximum is the heaviest key, of equals the smallest; comparing pairs takes four times as long
create or replace temp macro weighed(weight, key) as weight * 1099511627776 + 1099511627775 - key;
create or replace temp macro key_of(best) as 1099511627775 - best % 1099511627776;

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

-- every grant of the CRMs, one row a permission
create or replace temp table said_rights as
select
    g.identity_key as holder_key,
    g.resource_key,
    d.resource_key is not null as is_of_records,
    d.field_name is not null as is_of_field,
    trim(unnest(string_split(g.permission, ','))) as permission,
    case g.record_scope when 'own' then 0 when 'account' then 1 when 'team' then 2 when 'all' then 3 end as scope,
    not coalesce(g.has_other_conditions, false) and coalesce(g.narrowed_by, '') = '' as is_sure
from grants g
left join data_objects d on d.resource_key = g.resource_key
where g.identity_key is not null
    and (g.resource_key is null or d.resource_key is not null)
    and g.provider not in ('aws', 'vault')
    and coalesce(g.expires_at > (select max(as_of) from scans), true);

create or replace temp table holder_objects as
with named as (
    select
        *,
        permission in ('object:read', 'object:edit', 'object:delete', 'object:view_all', 'object:modify_all') as is_reading,
        permission in ('object:create', 'object:edit', 'object:delete', 'object:modify_all') as is_writing,
        -- the sharing of the object says how far
        permission in ('object:read', 'object:edit', 'object:delete') and scope is null as is_shared,
        case
            when permission in ('object:view_all', 'object:modify_all') then 3
            when starts_with(permission, 'object:') then scope
        end as reach
    from said_rights
    where is_of_records
        and not is_of_field
)
select
    holder_key,
    resource_key,
    bool_or(is_reading and is_sure) as can_read,
    bool_or(is_writing and is_sure) as can_write,
    bool_or(permission in ('object:edit', 'object:modify_all') and is_sure) as can_edit,
    bool_or(is_shared and is_sure) as is_by_sharing,
    max(reach) filter (is_sure) as scope,
    bool_or(is_reading) as may_read,
    bool_or(is_writing) as may_write,
    bool_or(is_shared) as may_by_sharing,
    max(reach) as most,
    max(coalesce(scope, 2)) filter (starts_with(permission, 'sharing:')) as shared
from named
group by holder_key, resource_key;

-- rights to all objects, and a partner's right to the records of its whole account
create or replace temp table holder_everywhere as
select
    holder_key,
    bool_or(permission in ('ViewAllData', 'ModifyAllData') and is_sure) as can_read,
    bool_or(permission = 'ModifyAllData' and is_sure) as can_write,
    bool_or(permission in ('ViewAllData', 'ModifyAllData')) as may_read,
    bool_or(permission = 'ModifyAllData') as may_write,
    bool_or(permission = 'portal_super_user' and is_sure) as is_super
from said_rights
where resource_key is null
    and permission in ('ViewAllData', 'ModifyAllData', 'portal_super_user')
group by holder_key;

create or replace temp table holder_fields as
select distinct holder_key, resource_key
from said_rights
where is_of_field
    and is_sure
    and permission = 'field:edit';

-- sets of holders, each called by the smallest identity that has it
create or replace temp table holder_sets as
with through as (
    select distinct as_key, is_external, as_key as holder_key
    from judged_as
    union
    select a.as_key, a.is_external, m.group_key
    from judged_as a
    join group_members m on m.identity_key = a.as_key
),
listed as (
    select as_key, is_external, list_sort(list(holder_key)) as holders
    from through
    where holder_key in (select holder_key from holder_objects)
        or holder_key in (select holder_key from holder_everywhere)
        or holder_key in (select holder_key from holder_fields)
    group by as_key, is_external
)
select as_key, is_external, holders, min(as_key) over (partition by holders, is_external) as set_key
from listed;

create or replace temp table set_holders as
select set_key, is_external, unnest(holders) as holder_key
from holder_sets
where as_key = set_key;

create or replace temp table holder_words as
select
    i.identity_key as holder_key,
    i.tenant_id,
    case
        when i.kind = 'group' then regexp_extract(i.identity_id, '^[^:]*:[^:]*:([^/]*)/', 1) || ' ' || i.name
        else 'a grant of its own'
    end as words
from identities i
where i.identity_key in (select holder_key from set_holders);

create or replace temp table set_objects as
with everywhere as (
    select
        s.set_key,
        any_value(w.tenant_id) as tenant_id,
        bool_or(e.can_read) as can_read,
        bool_or(e.can_write) as can_write,
        bool_or(e.may_read) as may_read,
        bool_or(e.may_write) as may_write,
        min(s.holder_key) filter (e.may_read) as via_key,
        bool_or(e.is_super) as is_super
    from set_holders s
    join holder_everywhere e using (holder_key)
    join holder_words w using (holder_key)
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
        bool_or(o.may_read) as may_read,
        bool_or(o.may_write) as may_write,
        bool_or(o.may_by_sharing) as may_by_sharing,
        max(o.most) as most,
        max(o.shared) as shared,
        min(s.holder_key) filter (o.may_read or o.may_write) as via_key,
        max(weighed(o.scope, s.holder_key)) as scope_best,
        max(weighed(o.shared, s.holder_key)) as shared_best
    from set_holders s
    join holder_objects o using (holder_key)
    group by s.set_key, o.resource_key
    union all
    select
        e.set_key,
        d.resource_key,
        e.can_read,
        e.can_write,
        e.can_write,
        false,
        case when e.can_read then 3 end,
        e.may_read,
        e.may_write,
        false,
        3,
        null,
        e.via_key,
        case when e.can_read then weighed(3, e.via_key) end,
        null
    from everywhere e
    join resources r on r.tenant_id = e.tenant_id
    join data_objects d on d.resource_key = r.resource_key and d.field_name is null
    where e.may_read
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
        bool_or(may_read) as may_read,
        bool_or(may_write) as may_write,
        bool_or(may_by_sharing) as may_by_sharing,
        max(most) as most,
        max(shared) as shared,
        min(via_key) as via_key,
        key_of(max(scope_best)) as scope_key,
        key_of(max(shared_best)) as shared_key
    from found
    group by set_key, resource_key
    having bool_or(may_read) or bool_or(may_write)
)
select s.*, coalesce(e.is_super, false) as is_super
from summed s
left join everywhere e using (set_key)
