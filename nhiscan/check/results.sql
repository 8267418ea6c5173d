-- How many subjects each rule judged, by provider, and with which outcome. What is neither a fail nor unknown passed.
insert into rule_results
with told as (
    select
        j.rule_id,
        case when r.subject = 'partner' then 'all' else split_part(j.tenant_id, ':', 1) end as provider,
        count(*) filter (where j.outcome = 'fail') as fails,
        count(*) filter (where j.outcome = 'unknown') as unknowns
    from run_judged j
    join run_rules r on r.rule_id = j.rule_id
    group by 1, 2
)
select
    t.rule_id,
    t.provider,
    t.judged,
    coalesce(o.fails, 0),
    case when r.not_assessed is null then t.judged - coalesce(o.fails, 0) - coalesce(o.unknowns, 0) else 0 end,
    coalesce(o.unknowns, 0),
    r.not_assessed
from run_totals t
join run_rules r on r.rule_id = t.rule_id
left join told o on o.rule_id = t.rule_id and o.provider = t.provider;
