-- What is not covered, by scope and by what relies on it; and the words for it, by tenant.
create or replace temp table rule_reads as
select distinct
    s.scope,
    coalesce(c.tenant_id, case when d.dataset like 'register.%' then '*' else s.tenant_id end) as tenant_id,
    d.dataset,
    d.used,
    coalesce(c.in_words, d.dataset || ': not read') as in_words,
    case when d.used = 'soft' then coalesce(c.is_failing, false) else not coalesce(c.is_covered, false) end as is_gap,
    coalesce(c.was_covered, false) as was_covered
from rule_scopes s
cross join rule_datasets d
left join run_dataset_coverage c
    on c.dataset = d.dataset
    and c.tenant_id = case when d.dataset like 'register.%' then '*' else s.tenant_id end
where s.tenant_id is not null
    or d.dataset like 'register.%'
union
-- a row about this partner was quarantined (of partners itself, the row that stands is what counts)
select distinct
    q.partner_id,
    '*',
    d.dataset,
    d.used,
    d.dataset || ': ' || q.file || ':' || q.line || ' was not accepted: ' || q.problem,
    true,
    false
from rule_scopes s
join quarantine q
    on q.partner_id = s.scope
    and q.row_dropped
join register_files f
    on f.file = q.file
    and f.holds <> 'partners'
join rule_datasets d
    on d.dataset = 'register.' || f.holds
    and d.used <> 'soft';
create or replace temp table rule_gaps as
select
    scope,
    string_agg(distinct dataset, ', ' order by dataset) filter (where used = 'needs') as needs,
    string_agg(distinct dataset, ', ' order by dataset) filter (where used = 'absence') as absence,
    coalesce(bool_and(was_covered) filter (where used = 'absence'), true) as was_absence_covered,
    string_agg(distinct dataset, ', ' order by dataset) filter (where used in ('needs', 'absence')) as either,
    string_agg(distinct dataset, ', ' order by dataset) filter (where used <> 'absence') as gone
from rule_reads
where is_gap
group by scope;
insert into run_coverage
select
    $rule,
    tenant_id,
    string_agg(distinct in_words, '; ' order by in_words),
    string_agg(distinct in_words, '; ' order by in_words) filter (where is_gap)
from rule_reads
where used in ('needs', 'absence')
group by tenant_id;
