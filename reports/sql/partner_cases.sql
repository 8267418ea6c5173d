-- Sums are rounded: the order in which a database adds is not fixed, and two reports of one scan are the same to the last byte.
select x.partner_id, c.severity, count(*) as cases,
       coalesce(max(c.score), 0) as worst, round(coalesce(sum(c.score), 0), 6) as total,
       coalesce(max(c.score_low), 0) as worst_low, round(coalesce(sum(c.score_low), 0), 6) as total_low
from case_partners x
join cases c on c.case_id = x.case_id
where c.status in ('open', 'reopened')
group by x.partner_id, c.severity
order by x.partner_id, c.severity
