-- The tenants of a rule's subjects, of this scan and of findings that may have gone since the one before.
create or replace temp table rule_scopes as
select distinct
    tenant_id as scope,
    tenant_id
from (
    select tenant_id from rule_rows
    union
    select tenant_id from run_previous where rule_id = $rule
);
