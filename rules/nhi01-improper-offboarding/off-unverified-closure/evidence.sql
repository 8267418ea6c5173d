-- Step by step, what was written down and what the scan sees.
select
    o.partner_id as subject_id,
    'step ' || cast(s.step as varchar) || ' of ' || s.offboarding_id as label,
    s.action || coalesce(' ' || s.target_id, '') || ': '
    || case
        when s.done_at is null then 'not done'
        else 'done on ' || substr(cast(s.done_at as varchar), 1, 16)
    end
    || '; ' || s.seen as value
from step_facts s
join offboarding_facts o on o.offboarding_id = s.offboarding_id
where o.closed_at is not null
    and s.step <= 50
