-- What holders of a package may do with each object of a CRM -> package_objects; width: 1 own, 2 account, 3 team, 4 all records.
-- Of writing it is known on which objects, and only as far as one's own records how widely.
create or replace temp table package_objects as
with said as (
    select
        a.identity_key,
        'crm/' || d.object as resource,
        a.can_read,
        a.can_write,
        list_position(['own', 'account', 'team', 'all'], a.record_scope) as width,
        coalesce(list_position(['own', 'account', 'team', 'all'], a.record_scope_high), 4) as width_high,
        a.evidence
    from record_access a
    join data_objects d on d.resource_key = a.resource_key and d.field_name is null
    where a.identity_key in (select identity_key from package_holders)
),
weighed as (
    select identity_key, 'read-data' as verb, resource, width, 'definite' as certainty, evidence
    from said
    where can_read
        and width is not null
    union all
    select identity_key, 'read-data', resource, width_high, 'potential', evidence
    from said
    where coalesce(can_read, true)
        and (can_read is null or width_high > coalesce(width, 0))
    union all
    select identity_key, 'write-data', resource, 1, case when can_write then 'definite' else 'potential' end, evidence
    from said
    where coalesce(can_write, true)
    union all
    select identity_key, 'write-data', resource, width, 'potential', evidence
    from said
    where coalesce(can_write, true)
        and width > 1
)
select
    identity_key,
    verb,
    resource,
    ['self', 'set', 'set', 'all'][width] as scope,
    certainty,
    case width when 1 then 1 when 4 then 3 else 2 end + case verb when 'write-data' then 1 else 0 end as level,
    evidence as statement,
    width
from weighed
