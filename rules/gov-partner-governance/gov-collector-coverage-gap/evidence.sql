select
    c.tenant_id as subject_id,
    'dataset ' || c.dataset as label,
    c.status
    || coalesce(': ' || c.reason, '')
    || coalesce('; missing permission ' || c.missing_permission, '')
    || coalesce('; call ' || c.call, '') as value
from coverage c
where c.status not in ('complete', 'not_applicable')
    and not (c.dataset like 'register.%' and c.status in ('partial', 'unsupported'))
