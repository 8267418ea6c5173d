-- With what and from where it was used, the ten most frequent.
with used as (
    select
        s.identity_id,
        coalesce(s.device, 'device unknown') || ', ' || coalesce(s.network, 'network unknown') || ', '
        || coalesce(s.country, 'country unknown') as place,
        count(*) as times,
        max(s.occurred_at) as last_at
    from sign_ins s
    where s.is_success
        and s.is_interactive
        and s.occurred_at >= $window_days_before
    group by
        s.identity_id,
        coalesce(s.device, 'device unknown') || ', ' || coalesce(s.network, 'network unknown') || ', '
        || coalesce(s.country, 'country unknown')
),
ranked as (
    select
        u.*,
        row_number() over (partition by u.identity_id order by u.times desc, u.place) as rank_of_row
    from used u
)
select
    r.identity_id as subject_id,
    'signed in ' || cast(r.times as varchar) || ' times, last on ' || substr(cast(r.last_at as varchar), 1, 10) as label,
    r.place as value
from ranked r
where r.rank_of_row <= 10
