-- The reviews that took less than their items need; the first twenty.
with newest as (
    select
        r.*,
        row_number() over (
            partition by r.scope, coalesce(r.partner_id, '') order by r.completed_at desc, r.review_id
        ) as place
    from reviews r
    where r.completed_at <= $as_of
),
hasty as (
    select
        n.*,
        row_number() over (order by n.review_id) as number
    from newest n
    where n.place = 1
        and (n.items = 0 or n.seconds_spent < n.items * $min_seconds)
)
select
    'register:main' as subject_id,
    'review ' || h.review_id as label,
    coalesce(h.scope, 'scope unknown') || coalesce(' of ' || h.partner_id, ' of all partners') || ': '
    || cast(h.items as varchar) || ' items in ' || cast(h.seconds_spent as varchar) || ' seconds'
    || coalesce(' by ' || h.reviewer, '') as value
from hasty h
where h.number <= 20
