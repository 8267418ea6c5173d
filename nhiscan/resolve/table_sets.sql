-- Who holds what stands in table_grants: table_sets says which identities hold the same things, table_set_holders through whom.
-- table_sharing: rules that share records of an object with a group.
create or replace temp table table_sharing as
select distinct g.identity_key as holder_key, g.resource_key, contains(g.permission, 'sharing:edit') as is_for_writing
from grants g
join data_objects d on d.resource_key = g.resource_key and d.field_name is null
where g.identity_key is not null
    and contains(g.permission, 'sharing:')
    and coalesce(g.expires_at > (select max(as_of) from scans), true);

-- each set is called by the smallest identity that has it
create or replace temp table table_sets as
with listed as (
    select
        a.identity_key,
        i.is_external,
        list_sort(list(a.holder_key)) as holders,
        -- what is held without a group is nobody else's
        max(a.holder_key) filter (a.holder_key = a.identity_key) as own_key
    from table_above a
    join identities i using (identity_key)
    where a.holder_key in (select holder_key from table_grants)
        or a.holder_key in (select holder_key from table_sharing)
    group by a.identity_key, i.is_external
)
select identity_key, is_external, min(identity_key) over (partition by holders, own_key, is_external) as set_key
from listed;

create or replace temp table table_set_holders as
select
    s.set_key,
    s.is_external,
    a.holder_key,
    case when a.holder_key <> a.identity_key then a.holder_key end as via_key
from table_sets s
join table_above a using (identity_key)
where s.identity_key = s.set_key
    and (
        a.holder_key in (select holder_key from table_grants)
        or a.holder_key in (select holder_key from table_sharing)
    );

create or replace temp table table_names as
select permission, row_number() over (order by permission) - 1 as place
from (select distinct permission from table_grants);

drop table table_above
