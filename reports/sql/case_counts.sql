select status, severity, count(*) as cases, count(*) filter (is_new) as new_cases
from cases
group by status, severity
order by status, severity
