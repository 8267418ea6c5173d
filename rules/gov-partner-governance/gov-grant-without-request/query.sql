-- Partners' identities with access that they got after the first request on record; what is older was given before there was a workflow.
-- The newest change that is not covered speaks. Where the day of an access is not known, it may be new.
with judged as (
    select
        c.*,
        case
            when c.request_id is null then 'nobody asked for it'
            when c.problem is not null then 'of its request ' || c.request_id || ' ' || c.problem
            when c.channel in $unfit_channels then 'its request ' || c.request_id || ' came by ' || c.channel
            when c.days_before > $request_days
                then 'its request ' || c.request_id || ' was approved ' || cast(c.days_before as varchar) || ' days before'
        end as why,
        case when c.days_before is null and c.request_id is not null then 1 else 0 end as is_undated
    from access_changes c
),
ranked as (
    select
        j.*,
        row_number() over (
            partition by j.identity_key
            order by
                case when j.why is not null then 0 else 1 end,
                j.is_undated desc,
                j.changed_at desc,
                j.what
        ) as place,
        sum(case when j.why is not null then 1 else 0 end) over (partition by j.identity_key) as uncovered
    from judged j
),
undated as (
    select
        f.identity_key
    from identity_facts f
    cross join (select min(requested_at) as began from requests) b
    where f.created_at is null
        and b.began is not null
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when r.why is not null and f.has_access then 'fail'
        when r.why is not null or r.is_undated = 1 or u.identity_key is not null then 'unknown'
        else 'pass'
    end as outcome,
    case when f.level >= $privileged_level then 'high' else 'medium' end as severity,
    f.name,
    f.partner_name as partner,
    coalesce(r.what, 'created') as what,
    cast(r.changed_at as date) as changed_on,
    coalesce(r.why, 'it is not known whether anybody asked for it') as problem,
    r.uncovered as uncovered_changes,
    f.level,
    r.requested_by,
    r.approved_by,
    f.created_by
from identity_facts f
left join ranked r on r.identity_key = f.identity_key and r.place = 1
left join undated u on u.identity_key = f.identity_key
where f.partner_id is not null
    and coalesce(f.has_access, true)
    and not coalesce(f.is_provider_owned, false)
    and (r.identity_key is not null or u.identity_key is not null)
