select c.provider, c.tenant_id, t.name as tenant_name, c.dataset, c.status, c.reason, c.missing_permission, c.call,
       c.history_from, c.collected_at,
       c.status in ('complete', 'not_applicable') as is_covered
from coverage c
left join (select tenant_id, min(name) as name from tenants group by tenant_id) t on t.tenant_id = c.tenant_id
order by c.provider, c.tenant_id, c.dataset, c.status
