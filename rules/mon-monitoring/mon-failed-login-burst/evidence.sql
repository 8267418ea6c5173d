-- From where, with what and why sign-ins were refused, the ten most frequent.
with refused as (
    select
        s.identity_id,
        coalesce(u.source_ip, s.network, 'an unknown address') as place,
        coalesce(u.reason, 'no reason given') as reason,
        s.app,
        count(*) as times,
        max(s.occurred_at) as last_at
    from sign_ins s
    left join usage u on u.event_id = s.event_id
    where s.occurred_at >= $recent_days_before
        and not s.is_success
    group by s.identity_id, coalesce(u.source_ip, s.network, 'an unknown address'), coalesce(u.reason, 'no reason given'), s.app
),
ranked as (
    select
        r.*,
        row_number() over (partition by r.identity_id order by r.times desc, r.place, r.reason, r.app) as rank_of_row
    from refused r
)
select
    r.identity_id as subject_id,
    'refused to ' || r.place as label,
    cast(r.times as varchar) || ' times, last at ' || substr(cast(r.last_at as varchar), 1, 16) || ': ' || r.reason
    || coalesce(', with ' || r.app, '') as value
from ranked r
where r.rank_of_row <= 10
