select distinct i.identity_id, i.identity_key
from identity_facts i
where i.identity_id in (
    select case when c.subject_kind = 'identity' then c.subject_id else f.identity_id end
    from cases c
    left join findings f on f.finding_id = c.lead_finding_id
    where c.case_id in (select unnest($case_ids::varchar[]))
)
order by i.identity_id
