-- Partners' identities that exported something of late, by days of UTC. What is usual is told from other days with exports: the amount
-- that 95 of 100 of them did not pass. An export without a number of rows is a question where the known rows alone say nothing.
with exports as (
    select
        f.identity_key,
        f.tenant_id,
        cast(u.occurred_at as date) as day,
        u.target,
        u.rows,
        case when cast(u.occurred_at as date) >= cast($recent_days_before as date) then 1 else 0 end as is_recent
    from usage u
    join identity_facts f on f.identity_id = u.identity_id
    where u.kind = 'export'
        and u.outcome = 'success'
        and f.is_partner_related
        and not coalesce(f.is_provider_owned, false)
),
days as (
    select
        identity_key,
        tenant_id,
        day,
        is_recent,
        sum(rows) as rows_exported,
        count(*) as exports,
        count(*) - count(rows) as uncounted
    from exports
    group by identity_key, tenant_id, day, is_recent
),
-- each large day of late against the days before it; where the log begins too late for that, against all others
weighed as (
    select
        d.identity_key,
        d.day,
        case
            when sum(case when o.day < d.day then 1 else 0 end) >= $min_usual_days then 1
            else 0
        end as is_known_before,
        case
            when sum(case when o.day < d.day then 1 else 0 end) >= $min_usual_days
                then sum(case when o.day < d.day then 1 else 0 end)
            when count(o.day) >= $min_usual_days then count(o.day)
            else 0
        end as others,
        case
            when sum(case when o.day < d.day then 1 else 0 end) >= $min_usual_days
                then sum(case when o.day < d.day and $times_usual * o.rows_exported >= d.rows_exported then 1 else 0 end)
            when count(o.day) >= $min_usual_days
                then sum(case when $times_usual * o.rows_exported >= d.rows_exported then 1 else 0 end)
            else 0
        end as others_like_it
    from days d
    left join days o on o.identity_key = d.identity_key and o.day <> d.day and o.rows_exported is not null
    where d.is_recent = 1
        and d.rows_exported > $min_rows
    group by d.identity_key, d.day
),
unusual as (
    select *
    from weighed
    where others_like_it <= others - ceil(0.95 * others)
),
ranked as (
    select
        u.identity_key,
        u.day,
        u.others,
        o.rows_exported,
        row_number() over (partition by u.identity_key, u.day order by o.rows_exported, o.day) as place
    from unusual u
    join days o on o.identity_key = u.identity_key and o.day <> u.day
    where u.others > 0
        and o.rows_exported is not null
        and (o.day < u.day or u.is_known_before = 0)
),
usual as (
    select
        identity_key,
        day,
        min(case when place >= 0.95 * others then rows_exported end) as usual_rows
    from ranked
    group by identity_key, day
),
objects as (
    select
        r.tenant_id,
        r.name,
        max(d.records) as records
    from resources r
    join data_objects d on d.resource_key = r.resource_key
    where d.field_name is null
    group by r.tenant_id, r.name
),
shares as (
    select
        s.identity_key,
        s.day,
        s.target,
        case when o.records > 0 then s.rows_of_object / o.records end as share,
        row_number() over (
            partition by s.identity_key, s.day
            order by coalesce(case when o.records > 0 then s.rows_of_object / o.records end, 0) desc, s.rows_of_object desc, s.target
        ) as place
    from (
        select
            identity_key,
            tenant_id,
            day,
            target,
            coalesce(sum(rows), 0) * 1.0 as rows_of_object
        from exports
        where is_recent = 1
        group by identity_key, tenant_id, day, target
    ) s
    left join objects o on o.tenant_id = s.tenant_id and o.name = s.target
),
outside_package as (
    select distinct identity_key
    from package_excess
    where verb = 'export-data'
        and certainty = 'definite'
),
judged as (
    select
        d.*,
        s.usual_rows,
        greatest($min_rows, coalesce($times_usual * s.usual_rows, 0)) as most_rows,
        case
            when u.identity_key is not null then 2
            when d.uncounted > 0 then 1
            else 0
        end as weight
    from days d
    left join unusual u on u.identity_key = d.identity_key and u.day = d.day
    left join usual s on s.identity_key = d.identity_key and s.day = d.day
    where d.is_recent = 1
),
worst as (
    select
        j.*,
        row_number() over (
            partition by j.identity_key
            order by j.weight desc, coalesce(j.rows_exported, 0) desc, j.day desc
        ) as place,
        sum(case when j.weight = 2 then 1 else 0 end) over (partition by j.identity_key) as such_days
    from judged j
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case w.weight when 2 then 'fail' when 1 then 'unknown' else 'pass' end as outcome,
    case
        when s.share > $share_of_object or p.identity_key is not null then 'critical'
        else 'high'
    end as severity,
    f.name as identity,
    f.kind,
    f.native_id,
    cast(w.rows_exported as bigint) as rows_exported,
    substr(cast(w.day as varchar), 1, 10) as day,
    cast(w.most_rows as bigint) as most_rows,
    cast(w.usual_rows as bigint) as rows_of_a_usual_day,
    case
        when w.uncounted = 1 then 'an export'
        when w.uncounted > 1 then cast(w.uncounted as varchar) || ' exports'
    end as uncounted,
    w.exports,
    w.such_days as days_like_it,
    s.target as object,
    case when s.share is not null then cast(cast(round(100 * s.share) as bigint) as varchar) || ' %' end as share_of_object,
    case when p.identity_key is not null then 'no package of the partner allows exports' end as package,
    f.partner_name as partner,
    f.is_enabled as still_enabled
from worst w
join identity_facts f on f.identity_key = w.identity_key
left join shares s on s.identity_key = w.identity_key and s.day = w.day and s.place = 1
left join outside_package p on p.identity_key = w.identity_key
where w.place = 1
