select
    c.tenant_id,
    c.dataset,
    c.status,
    c.reason,
    c.missing_permission
from coverage c
where c.status not in ('complete', 'not_applicable')
order by c.tenant_id, c.dataset
