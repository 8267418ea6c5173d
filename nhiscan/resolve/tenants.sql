-- What was read of each tenant, and the environment that nhiscan.toml gives it
create or replace temp table covered as
select tenant_id, dataset
from coverage
group by tenant_id, dataset
having bool_and(coalesce(original_status, status) in ('complete', 'not_applicable'));

create or replace temp table tenant_environments as
select tenant_id, min(environment) as environment
from (
    select case kind when 'aws_account' then 'aws:' || value else value end as tenant_id, lower(trim(environment)) as environment
    from company
    where kind in ('aws_account', 'tenant')
)
where environment <> ''
group by tenant_id
