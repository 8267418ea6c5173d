-- resources, auth_roles -> vault_mounts: engines and auth methods with whole paths; vault_read_mounts: whose were all read
create or replace temp table vault_mounts as
with labels as (
    select
        t.resource_key,
        max(case when t.name = 'type' then t.value end) as type,
        max(case when t.name = 'version' then t.value end) as version
    from resource_tags t
    group by t.resource_key
)
select
    r.tenant_id,
    'engine' as place,
    r.native_id as path,
    case when l.type <> 'kv' then l.type when l.version = '2' then 'kv2' else 'kv1' end as type,
    r.environment
from resources r
join labels l on l.resource_key = r.resource_key
where r.provider = 'vault'
    and r.kind = 'mount'
    and l.type is not null
union
-- the id of a role is <namespace>auth/<mount>/<folder>/<name>, and its name may hold slashes
select
    i.tenant_id,
    'auth',
    regexp_replace(left(i.native_id, length(i.native_id) - length(i.name) - 1), '/[^/]*$', ''),
    a.method,
    null
from auth_roles a
join identities i on i.identity_key = a.identity_key
where i.provider = 'vault'
    and ends_with(i.native_id, '/' || i.name);

create or replace temp table vault_read_mounts as
select c.tenant_id
from coverage c
where c.dataset = 'resources'
group by c.tenant_id
having bool_and(coalesce(c.original_status, c.status) in ('complete', 'not_applicable'));
