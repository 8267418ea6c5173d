-- identities, auth_roles, privileges, coverage -> vault_roles, vault_unsaid
create or replace temp table vault_roles as
select
    i.tenant_id,
    i.identity_key,
    i.native_id as path,
    i.name,
    a.method,
    coalesce(a.bound_networks, '') not in ('', '0.0.0.0/0', '::/0', '0.0.0.0/0, ::/0') as is_bound,
    coalesce(a.is_secret_required, true) as is_secret_required
from auth_roles a
join identities i on i.identity_key = a.identity_key
where i.provider = 'vault'
    and ends_with(i.native_id, '/' || i.name);

create or replace temp table vault_unsaid as
select distinct p.identity_key, p.verb
from privileges p
join identities i on i.identity_key = p.identity_key
where i.provider = 'vault'
    and p.level is null
    and p.verb <> 'unknown'
    and i.tenant_id not in (
        select c.tenant_id
        from coverage c
        where c.dataset in ('identities', 'auth_roles', 'policies', 'memberships')
            and coalesce(c.original_status, c.status) not in ('complete', 'not_applicable')
    );
