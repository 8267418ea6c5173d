-- The newest completed review of each scope and partner, or of all partners: a later one that was thorough has made up for it. The
-- register itself stands for the programme.
with newest as (
    select
        r.review_id,
        r.scope,
        r.partner_id,
        r.items,
        r.seconds_spent,
        lower(trim(r.reviewer)) as reviewer,
        row_number() over (
            partition by r.scope, coalesce(r.partner_id, '') order by r.completed_at desc, r.review_id
        ) as place
    from reviews r
    where r.completed_at <= $as_of
),
owned as (
    select
        partner_id,
        min(owner_mail) as owner,
        count(distinct coalesce(owner_mail, '')) as owners
    from identity_facts
    where has_access
        and partner_id is not null
    group by partner_id
),
judged as (
    select
        n.*,
        case
            when n.items = 0 then 'it looked at nothing'
            when n.seconds_spent < n.items * $min_seconds
                then cast(n.items as varchar) || ' items in ' || cast(n.seconds_spent as varchar) || ' seconds'
            when o.owners = 1 and o.owner = n.reviewer then n.reviewer || ' reviewed only what they answer for'
        end as problem,
        case when n.items is null or n.seconds_spent is null then 1 else 0 end as is_unsaid
    from newest n
    left join owned o on o.partner_id = n.partner_id
    where n.place = 1
),
counted as (
    select
        count(*) as reviews,
        sum(case when problem is not null then 1 else 0 end) as formalities,
        sum(case when problem is null then is_unsaid else 0 end) as unsaid,
        min(case when problem is not null then review_id end) as example
    from judged
)
select
    'register:main' as subject_id,
    'register:main' as tenant_id,
    case when c.formalities > 0 then 'fail' when c.unsaid > 0 then 'unknown' else 'pass' end as outcome,
    c.reviews,
    c.formalities,
    c.unsaid,
    c.example,
    j.problem,
    j.scope,
    j.partner_id as partner,
    j.reviewer
from counted c
left join judged j on j.review_id = c.example
where c.reviews > 0
