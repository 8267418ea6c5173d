select c.control_id, f.provider, f.subject_kind, f.outcome, f.status, count(*) as findings
from rule_controls c
join findings f on f.rule_id = c.rule_id
where c.framework = 'owasp_nhi_2025'
group by c.control_id, f.provider, f.subject_kind, f.outcome, f.status
order by c.control_id, f.provider, f.subject_kind, f.outcome, f.status
