-- open cases with a finding of these rules (by the beginning of the id), or the new ones
select c.case_id, c.subject_kind, c.subject_name, c.tenant_id, c.partner_id, c.owner_mail, c.message, c.severity, c.score,
       c.score_low, c.band, c.findings, p.name as partner_name, count(*) over () as total
from cases c
left join (select partner_id, min(name) as name from partner_facts group by partner_id) p on p.partner_id = c.partner_id
where c.status in ('open', 'reopened')
  and (
      ($new and c.is_new)
      or exists (
          select 1
          from findings f, (select unnest($rules::varchar[]) as start) w
          where f.case_id = c.case_id
            and f.outcome = 'fail'
            and starts_with(f.rule_id, w.start)
      )
  )
order by case c.severity when 'critical' then 0 when 'high' then 1 when 'medium' then 2 when 'low' then 3 else 4 end,
         c.score_low desc nulls last, c.score desc nulls last, c.subject_name, c.case_id
limit 2000
