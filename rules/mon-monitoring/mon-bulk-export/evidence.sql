-- The ten largest exports of late.
with ranked as (
    select
        u.*,
        row_number() over (partition by u.identity_id order by coalesce(u.rows, 0) desc, u.occurred_at desc, u.event_id) as place
    from usage u
    where u.kind = 'export'
        and u.outcome = 'success'
        and u.occurred_at >= $recent_days_before
        and u.identity_id is not null
)
select
    r.identity_id as subject_id,
    'export at ' || substr(cast(r.occurred_at as varchar), 1, 16) as label,
    coalesce(cast(r.rows as varchar) || ' rows', 'rows unknown') || coalesce(' of ' || r.target, '') || ', ' || r.action
    || coalesce(', with ' || r.app, '') || coalesce(', address ' || r.source_ip, '') as value
from ranked r
where r.place <= 10
