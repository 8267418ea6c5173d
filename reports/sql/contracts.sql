select c.partner_id, c.contract_id, c.kind, c.grants_access, c.status, c.start_date, c.end_date, c.auto_renew, c.notice_date,
       c.terminated_on, c.covers_subsidiaries, c.security_terms, c.revoke_sla_hours, c.dates_readable, c.register_row,
       t.tenants
from contracts c
left join (
    select contract_id, string_agg(tenant_id, ', ' order by tenant_id) as tenants from contract_tenants group by contract_id
) t on t.contract_id = c.contract_id
order by c.partner_id, c.end_date desc nulls first, c.contract_id, c.register_row
