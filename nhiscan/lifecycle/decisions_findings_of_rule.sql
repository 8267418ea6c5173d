select subject_id, finding_id, subject_name, partner_id, severity, message, status
from findings
where rule_id = $rule
order by subject_id
