select partner_id, count(*) as findings
from findings
where outcome = 'unknown'
  and partner_id is not null
group by partner_id
order by partner_id
