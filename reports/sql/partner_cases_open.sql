select x.partner_id, c.case_id, c.subject_name, c.tenant_id, c.message, c.severity, c.score, c.band, r.fix
from case_partners x
join cases c on c.case_id = x.case_id
left join rules r on r.rule_id = c.lead_rule_id
where c.status in ('open', 'reopened')
order by x.partner_id,
         case c.severity when 'critical' then 0 when 'high' then 1 when 'medium' then 2 when 'low' then 3 else 4 end,
         c.score_low desc nulls last, c.score desc nulls last, c.subject_name, c.case_id
