-- Rights to objects, or how far they go, that were not read: whoever has them may read or change all records
insert into privileges
with uncovered as (
    select tenant_id, string_agg(distinct dataset, ', ' order by dataset) as datasets
    from coverage
    where dataset in ('grants.objects', 'objects.sharing')
        and coalesce(original_status, status) not in ('complete', 'not_applicable')
    group by tenant_id
)
select i.identity_key, d.verb, 'all', 'potential', d.level, null, null, null, 'not read completely: ' || u.datasets
from identities i
join uncovered u using (tenant_id)
cross join (values ('read-data', 3), ('write-data', 4)) d (verb, level)
where i.provider = $provider
    and i.kind not in ('group', 'entity', 'oauth_app');
