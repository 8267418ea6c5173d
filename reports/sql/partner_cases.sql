select x.partner_id, c.severity, count(*) as cases,
       coalesce(max(c.score), 0) as worst, coalesce(sum(c.score), 0) as total,
       coalesce(max(c.score_low), 0) as worst_low, coalesce(sum(c.score_low), 0) as total_low
from case_partners x
join cases c on c.case_id = x.case_id
where c.status in ('open', 'reopened')
group by x.partner_id, c.severity
order by x.partner_id, c.severity
