-- The register itself stands for the programme: who reviews logs looks at the partners of all systems. It is asked where a partner has
-- access, and once the register holds reviews.
with reviewed as (
    select
        max(case when r.scope = 'logs' and r.completed_at <= $as_of then r.completed_at end) as newest,
        max(case when r.scope = 'logs' then r.reviewer end) as reviewer
    from reviews r
),
partners_in as (
    select
        count(*) as n,
        min(first_access_at) as since
    from partner_facts
    where has_access
)
select
    'register:main' as subject_id,
    'register:main' as tenant_id,
    case
        when r.newest >= $log_days_before then 'pass'
        when r.newest is null and p.since >= $log_days_before then 'pass'
        else 'fail'
    end as outcome,
    case
        when r.newest is null then 'no review of logs is on record'
        else 'the last review of logs was on ' || cast(cast(r.newest as date) as varchar)
    end as problem,
    $log_days as log_days,
    p.n as partners_with_access,
    r.reviewer
from reviewed r
cross join partners_in p
where p.n > 0
