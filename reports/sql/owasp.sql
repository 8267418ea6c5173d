-- results of every rule that speaks to a risk of the OWASP NHI Top 10, one row a rule and provider
select c.control_id, r.rule_id, r.provider, r.evaluated, r.failed, r.passed, r.unknown, r.not_assessed
from rule_controls c
join rule_results r on r.rule_id = c.rule_id
where c.framework = 'owasp_nhi_2025'
order by c.control_id, r.rule_id, r.provider
