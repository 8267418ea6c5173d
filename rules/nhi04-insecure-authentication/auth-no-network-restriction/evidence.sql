-- From where it was used lately, the busiest ten addresses.
with seen as (
    select
        u.identity_id,
        u.source_ip,
        count(*) as uses,
        max(u.occurred_at) as last_at
    from usage u
    join identity_facts f on f.identity_id = u.identity_id
    where f.is_partner_related
        and u.source_ip is not null
        and u.outcome = 'success'
        and u.occurred_at >= $seen_days_before
    group by u.identity_id, u.source_ip
),
placed as (
    select
        s.*,
        row_number() over (partition by s.identity_id order by s.uses desc, s.source_ip) as place
    from seen s
)
select
    p.identity_id as subject_id,
    'seen at ' || p.source_ip as label,
    cast(p.uses as varchar) || ' times, last at ' || cast(p.last_at as varchar) as value
from placed p
where p.place <= 10
