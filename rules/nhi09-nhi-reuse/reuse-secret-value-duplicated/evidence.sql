-- Every place of each value that stands in more than one; the number is only good for telling values apart.
with shared as (
    select value_number
    from secret_places
    where is_secret
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
    coalesce(p.name || ', ', '') || p.location || coalesce(', ' || p.environment, '') || coalesce(', partner ' || p.partner_name, '')
    || coalesce(', lets in as ' || p.identity_id, '') as value
from here h
join secret_places p on p.value_number = h.value_number
