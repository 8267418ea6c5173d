-- One row an outsider or a partner's identity and field of a CRM that it may change: the field and the object must both let it
create or replace temp table holder_fields as
with said as (
    select g.identity_key as holder_key, g.resource_key, trim(unnest(string_split(g.permission, ','))) as permission
    from grants g
    join data_objects d on d.resource_key = g.resource_key and d.field_name is not null
    where g.identity_key is not null
        and not coalesce(g.has_other_conditions, false)
        and coalesce(g.narrowed_by, '') = ''
        and coalesce(g.expires_at > (select max(as_of) from scans), true)
)
select distinct holder_key, resource_key
from said
where permission = 'field:edit';

delete from field_access;

insert into field_access by name
with objects as (
    select d.resource_key, d.object, r.tenant_id
    from data_objects d
    join resources r using (resource_key)
    where d.field_name is null
),
fields as (
    select d.resource_key, o.resource_key as object_key
    from data_objects d
    join resources r using (resource_key)
    join objects o on o.tenant_id = r.tenant_id and o.object = d.object
    where d.field_name is not null
),
through as (
    select distinct j.identity_key, j.as_key, m.holder_key
    from judged_as j
    join (
        select as_key, as_key as holder_key
        from judged_as
        union
        select a.as_key, g.group_key
        from judged_as a
        join group_members g on g.identity_key = a.as_key
    ) m on m.as_key = j.as_key
    where j.is_sure
        and m.holder_key in (select holder_key from holder_fields)
),
held as (
    select t.identity_key, t.as_key, f.resource_key, min(t.holder_key) as holder_key
    from through t
    join holder_fields f using (holder_key)
    group by t.identity_key, t.as_key, f.resource_key
),
possible as (
    select h.identity_key, h.resource_key,
        min(struct_pack(as_key := h.as_key, holder_key := h.holder_key)) as way
    from held h
    join fields f using (resource_key)
    join holder_sets s on s.as_key = h.as_key
    join set_objects o
        on o.set_key = s.set_key
        and o.resource_key = f.object_key
    where o.can_edit
    group by h.identity_key, h.resource_key
)
select
    p.identity_key,
    p.resource_key,
    concat_ws(
        '; ',
        case when p.way.as_key <> p.identity_key then 'through its live token of ' || u.name end,
        'right from '
            || case when p.way.holder_key = p.way.as_key then 'a grant of its own' else kind_of(g.identity_id) || ' ' || g.name end
    ) as evidence
from possible p
join identities u on u.identity_key = p.way.as_key
join identities g on g.identity_key = p.way.holder_key
