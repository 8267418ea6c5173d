-- What was covered, by tenant and dataset; the register counts as one, and all places together as one for what is elsewhere. Its dirt is quarantined row by row, so a partly accepted
-- table is covered except for whom the rows that were not accepted speak of.
-- What is carried is not covered; was_covered says how it was when it was read.
insert into run_dataset_coverage
with said as (
    select
        case when dataset like 'register.%' then '*' else tenant_id end as tenant_id,
        dataset,
        case when dataset like 'register.%' and status = 'partial' then 'complete' else status end as status,
        case
            when dataset like 'register.%' and coalesce(original_status, status) = 'partial' then 'complete'
            else coalesce(original_status, status)
        end as read_as,
        dataset || ': ' || status || coalesce(' (' || reason || ')', '')
        || coalesce(', missing permission ' || missing_permission, '') || coalesce(', by ' || call, '')
        || coalesce(' at ' || strftime(collected_at, '%Y-%m-%d %H:%M'), '') as in_words
    from coverage
),
counted as (
    select * from said
    union all
    select '*', dataset, status, read_as, tenant_id || ': ' || in_words
    from said
    where is_elsewhere(dataset)
)
select
    tenant_id,
    dataset,
    bool_or(list_contains($covered, status)) and not bool_or(list_contains($failing, status)),
    bool_or(list_contains($failing, status)),
    bool_or(list_contains($covered, read_as)) and not bool_or(list_contains($failing, read_as)),
    string_agg(distinct in_words, '; ' order by in_words)
from counted
group by tenant_id, dataset;
