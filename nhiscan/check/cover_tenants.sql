-- Tenants of a table that no rule met yet, for every rule that judges what is in a tenant.
create or replace temp table rule_scopes as
select
    r.rule_id,
    t.tenant_id as scope,
    t.tenant_id
from (
    select distinct tenant_id
    from {table}
    where tenant_id is not null
        and tenant_id not in (select tenant_id from run_tenants)
) t
cross join run_rules r
where r.subject <> 'partner';
insert into run_tenants
select distinct tenant_id
from rule_scopes;
