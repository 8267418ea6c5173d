-- tenants that nhiscan.toml calls ours and of which nothing was read
select t.tenant_id, t.provider, t.name
from (select tenant_id, min(provider) as provider, min(name) as name from tenants group by tenant_id) t
where t.tenant_id not in (select tenant_id from coverage)
order by t.tenant_id
