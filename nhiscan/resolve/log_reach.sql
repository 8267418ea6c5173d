-- A system without a log of its own for sign-ins or for changes keeps them among the calls
delete from log_reach;

insert into log_reach
with logs as (
    select 'sign_ins' as log, 'usage.logins' as dataset
    union all
    select 'changes', 'usage.audit'
)
select c.tenant_id,
    l.log,
    max(c.history_from) as history_from,
    bool_or(c.status <> 'complete') as has_holes
from logs l
join coverage c on c.dataset in (l.dataset, 'usage.calls')
where c.tenant_id is not null
    and (
        c.dataset = l.dataset
        or not exists (select 1 from coverage o where o.dataset = l.dataset and o.tenant_id = c.tenant_id)
    )
group by c.tenant_id, l.log
order by c.tenant_id, l.log
