-- What was not read may allow anything: one row `unknown` an identity, naming the datasets.
insert into privileges
with needed as (
    select unnest($needed) as dataset
),
covered as (
    select c.tenant_id, c.dataset
    from coverage c
    group by c.tenant_id, c.dataset
    having count(case when coalesce(c.original_status, c.status) in ('complete', 'not_applicable') then 1 end) > 0
       and count(
           case when coalesce(c.original_status, c.status) in ('partial', 'denied', 'truncated', 'failed') then 1 end
       ) = 0
),
uncovered as (
    select t.tenant_id, string_agg(n.dataset, ', ' order by n.dataset) as datasets
    from (select distinct tenant_id from identities) t
    cross join needed n
    left join covered c on c.tenant_id = t.tenant_id and c.dataset = n.dataset
    where c.tenant_id is null
    group by t.tenant_id
)
select i.identity_key, 'unknown', 'all', 'potential', null, null, null, null,
       'not read completely: ' || u.datasets
from identities i
join uncovered u on u.tenant_id = i.tenant_id
where i.provider = $provider
  and i.kind not in ('group', 'entity');
