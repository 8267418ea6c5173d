-- One row an outsider or a partner's identity and field of a CRM that it may change: the field and the object must both let it
create or replace temp table set_fields as
with fields as (
    select f.resource_key, o.resource_key as object_key
    from data_objects f
    join resources r on r.resource_key = f.resource_key
    join data_objects o on o.object = f.object and o.field_name is null
    join resources p on p.resource_key = o.resource_key and p.tenant_id = r.tenant_id
    where f.field_name is not null
),
held as (
    select s.set_key, f.resource_key, min(s.holder_key) as via_key
    from set_holders s
    join holder_fields f using (holder_key)
    group by s.set_key, f.resource_key
)
select h.set_key, h.resource_key, 'right from ' || w.words as words
from held h
join fields f using (resource_key)
join set_objects o on o.set_key = h.set_key and o.resource_key = f.object_key
join holder_words w on w.holder_key = h.via_key
where o.can_edit;

delete from field_access;

insert into field_access by name
with placed as (
    select j.identity_key, f.resource_key, min(j.as_key) as as_key
    from judged_as j
    join holder_sets h on h.as_key = j.as_key
    join set_fields f on f.set_key = h.set_key
    where j.is_sure
    group by j.identity_key, f.resource_key
)
select
    p.identity_key,
    p.resource_key,
    concat_ws('; ', case when p.as_key <> p.identity_key then 'by its live token of ' || u.name end, f.words) as evidence
from placed p
join identities u on u.identity_key = p.as_key
join holder_sets h on h.as_key = p.as_key
join set_fields f on f.set_key = h.set_key and f.resource_key = p.resource_key
