-- what each rule that speaks to a control of governance or of the AI RMF answered; where it was not assessed it answered nothing
select c.framework, c.control_id, r.rule_id, r.title,
       coalesce(s.failed, 0)::bigint as failed, coalesce(s.passed, 0)::bigint as passed, coalesce(s.unknown, 0)::bigint as unknown,
       s.not_assessed
from rule_controls c
join rules r on r.rule_id = c.rule_id
left join (
    select rule_id,
           sum(failed) filter (not_assessed is null) as failed,
           sum(passed) filter (not_assessed is null) as passed,
           sum(unknown) filter (not_assessed is null) as unknown,
           case when bool_and(not_assessed is not null) then min(not_assessed) end as not_assessed
    from rule_results
    group by rule_id
) s on s.rule_id = r.rule_id
where (c.framework = 'nist_csf_2_0' and c.control_id like 'GV.%')
   or c.framework = 'nist_ai_rmf_1_0'
order by c.framework, c.control_id, r.rule_id
