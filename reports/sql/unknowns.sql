select *
from (
    select f.rule_id, r.title, coalesce(f.uncovered, '') as uncovered, f.subject_kind, f.subject_id, f.subject_name, f.tenant_id,
           f.message,
           count(*) over (partition by f.rule_id, coalesce(f.uncovered, '')) as subjects,
           row_number() over (
               partition by f.rule_id, coalesce(f.uncovered, '') order by f.subject_name, f.subject_id, f.finding_id
           ) as n
    from findings f
    left join rules r on r.rule_id = f.rule_id
    where f.outcome = 'unknown'
) u
where n <= $most
order by rule_id, uncovered, n
