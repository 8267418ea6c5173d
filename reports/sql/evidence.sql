select e.finding_id, e.label, e.value
from finding_evidence e
where e.finding_id in (select unnest($finding_ids::varchar[]))
order by e.finding_id, e.seq, e.label
