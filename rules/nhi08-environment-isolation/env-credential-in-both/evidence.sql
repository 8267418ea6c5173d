-- Every place of each value that stands in more than one, with its label.
with shared as (
    select value_number
    from secret_places
    group by value_number
    having count(distinct holder_id) > 1
),
here as (
    select distinct
        p.resource_id,
        p.value_number
    from secret_places p
    join shared s on s.value_number = p.value_number
    where p.resource_id is not null
)
select
    h.resource_id as subject_id,
    'value ' || cast(h.value_number as varchar) || ' in ' || p.holder_id as label,
    coalesce(p.environment, 'no label') || ', ' || coalesce(p.name || ', ', '') || p.location
    || coalesce(', lets in as ' || p.identity_id, '') as value
from here h
join secret_places p on p.value_number = h.value_number
