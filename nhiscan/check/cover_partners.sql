-- Every tenant where a partner holds an identity counts; for one that holds none, every tenant.
create or replace temp table rule_scopes as
with subjects as (
    select subject_id as scope from rule_rows
    union
    select subject_id from run_previous where rule_id = $rule
),
held as (
    select distinct
        s.scope,
        t.tenant_id
    from subjects s
    join partner_tenants t on t.partner_id = s.scope
)
select $rule as rule_id, scope, tenant_id from held
union
select
    $rule,
    s.scope,
    t.tenant_id
from subjects s
cross join tenants t
where t.tenant_id not like 'register:%'
    and t.tenant_id not like 'files:%' -- nobody signs in there
    and s.scope not in (select scope from held)
union
select $rule, scope, null from subjects;
