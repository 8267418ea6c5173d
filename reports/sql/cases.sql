select c.case_id, c.subject_kind, c.subject_id, c.subject_name, c.provider, c.tenant_id, c.partner_id, c.owner_mail,
       c.lead_finding_id, c.lead_rule_id as rule_id, c.message, c.severity, c.score, c.score_low, c.band, c.findings, c.status,
       c.is_new, c.first_seen, r.title, p.name as partner_name,
       case when c.subject_kind = 'identity' then c.subject_id else f.identity_id end as case_identity_id
from cases c
left join rules r on r.rule_id = c.lead_rule_id
left join findings f on f.finding_id = c.lead_finding_id
left join (select partner_id, min(name) as name from partner_facts group by partner_id) p on p.partner_id = c.partner_id
where c.status in ('open', 'reopened')
order by case c.severity when 'critical' then 0 when 'high' then 1 when 'medium' then 2 when 'low' then 3 else 4 end,
         c.score_low desc nulls last, c.score desc nulls last, c.subject_name, c.case_id
limit $most
