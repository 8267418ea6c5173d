-- One row an offboarding; what was written down stands beside what this scan sees of it
select o.offboarding_id, o.opened_at, o.due_by, o.closed_at, o.verified_at, o.register_row,
       coalesce(o.steps, 0) as steps, coalesce(o.steps_done, 0) as done,
       coalesce(t.gone, 0) as gone, coalesce(t.there, 0) as there, coalesce(t.unclear, 0) as unclear
from offboarding_facts o
left join (
    select offboarding_id, count(*) filter (is_gone) as gone, count(*) filter (not is_gone) as there,
           count(*) filter (is_gone is null and action not in ('return_data', 'notify')) as unclear
    from step_facts
    group by offboarding_id
) t on t.offboarding_id = o.offboarding_id
order by o.offboarding_id, o.register_row
