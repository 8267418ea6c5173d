-- What the identity used before, the ten most frequent.
with used as (
    select
        s.identity_id,
        coalesce(s.country, 'country unknown') || ', ' || coalesce(s.network, 'network unknown') || ', '
        || coalesce(s.device, 'device unknown') as place,
        count(*) as times
    from sign_ins s
    where s.is_success
        and s.occurred_at >= $history_days_before
        and s.occurred_at < $recent_days_before
    group by
        s.identity_id,
        coalesce(s.country, 'country unknown') || ', ' || coalesce(s.network, 'network unknown') || ', '
        || coalesce(s.device, 'device unknown')
),
ranked as (
    select
        u.*,
        row_number() over (partition by u.identity_id order by u.times desc, u.place) as rank_of_row
    from used u
)
select
    r.identity_id as subject_id,
    'used before, ' || cast(r.times as varchar) || ' times' as label,
    r.place as value
from ranked r
where r.rank_of_row <= 10
