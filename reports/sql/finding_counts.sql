select outcome, status, severity, count(*) as findings
from findings
group by outcome, status, severity
order by outcome, status, severity
