-- The finding that each acceptance speaks of, as this scan judges it or, where it could not be judged, as the scan before did.
delete from acceptance_findings;
insert into acceptance_findings by name
select
    a.acceptance_id,
    coalesce(j.outcome, 'unknown') as outcome,
    case
        when j.outcome = 'fail' then coalesce(j.severity, r.severity)
        when p.is_established then p.severity
        else r.severity
    end as severity
from acceptance_facts a
join run_rules r on r.rule_id = a.rule_id
left join run_judged j on j.finding_id = finding_id_of(a.rule_id, a.subject_id)
left join run_previous p on p.finding_id = finding_id_of(a.rule_id, a.subject_id)
left join run_vanished v on v.finding_id = p.finding_id
where j.outcome = 'fail'
    or (j.outcome = 'unknown' and p.status is distinct from 'fixed')
    or (p.is_standing and v.uncovered is not null)
order by a.acceptance_id;
