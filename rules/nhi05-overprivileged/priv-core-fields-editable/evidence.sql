-- Who may change the field and what says so; twenty of them.
with placed as (
    select
        r.resource_id,
        f.identity_id,
        f.partner_name,
        a.evidence,
        row_number() over (partition by r.resource_id order by f.identity_id) as place
    from field_access a
    join resources r on r.resource_key = a.resource_key
    join identity_facts f on f.identity_key = a.identity_key
    where f.is_enabled
)
select
    p.resource_id as subject_id,
    'changed by ' || p.identity_id || coalesce(' of ' || p.partner_name, '') as label,
    coalesce(p.evidence, 'not kept') as value
from placed p
where p.place <= 20
union all
select
    r.resource_id,
    'guard',
    case
        when d.is_guarded then 'an active rule or trigger refuses changes'
        when not d.is_guarded then 'no active rule or trigger mentions it'
        else 'not decided'
    end
from data_objects d
join resources r on r.resource_key = d.resource_key
where d.field_name is not null
