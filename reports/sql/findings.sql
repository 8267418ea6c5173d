-- every fail of a case that is shown, the lead first
select f.*, r.title, r.family, r.why, r.fix, r.version, r.params, r.refuted_by,
       f.finding_id = c.lead_finding_id as is_lead
from findings f
join cases c on c.case_id = f.case_id
left join rules r on r.rule_id = f.rule_id
where f.outcome = 'fail'
  and f.case_id in (select unnest($case_ids::varchar[]))
order by f.case_id, is_lead desc,
         case f.severity when 'critical' then 0 when 'high' then 1 when 'medium' then 2 when 'low' then 3 else 4 end,
         f.score_low desc nulls last, f.rule_id, f.finding_id
