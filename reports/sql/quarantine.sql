select file, line, field, value, problem, allowed, row_dropped, count(*) over () as total
from quarantine
order by file, line, field, problem
limit $most
