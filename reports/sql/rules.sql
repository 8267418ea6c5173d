select r.rule_id, r.family, r.title, r.severity, r.confidence, r.subject, r.version, r.params,
       s.evaluated, s.failed, s.passed, s.unknown, s.not_assessed
from rules r
left join (
    select rule_id, sum(evaluated) as evaluated, sum(failed) as failed, sum(passed) as passed, sum(unknown) as unknown,
           min(not_assessed) as not_assessed
    from rule_results
    group by rule_id
) s on s.rule_id = r.rule_id
order by r.family, r.rule_id
