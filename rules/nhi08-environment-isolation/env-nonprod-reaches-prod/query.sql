-- Identities with a non-production label, in a tenant that is production or one step from an identity that is. Both ends need a
-- label; what an unlabelled end is stays open. What lies behind a hub is summed up once, however many stand before it.
with tenant_labels as (
    select
        value as tenant_id,
        max(environment) as environment
    from company
    where kind = 'tenant'
    group by value
),
ends as (
    select
        e.from_key,
        max(case when e.certainty = 'definite' and t.environment = 'prod' then 1 else 0 end) as is_sure,
        max(case when e.certainty = 'definite' and t.environment = 'prod' then coalesce(t.level, 0) end) as level,
        min(case when e.certainty = 'definite' and t.environment = 'prod' then t.identity_id end) as example,
        max(case when t.environment = 'prod' then 1 else 0 end) as is_possible,
        max(case when t.environment is null then 1 else 0 end) as is_unlabelled
    from access_edges e
    join identity_facts t on t.identity_key = e.to_key
    where e.kind <> 'member-of'
    group by e.from_key
),
steps as (
    select
        d.from_key,
        d.is_sure,
        d.level,
        d.example,
        d.is_possible,
        d.is_unlabelled
    from ends d
    union all
    select
        e.from_key,
        case when e.certainty = 'definite' then d.is_sure else 0 end,
        case when e.certainty = 'definite' then d.level end,
        case when e.certainty = 'definite' then d.example end,
        d.is_possible,
        d.is_unlabelled
    from access_edges e
    join access_hubs h on h.hub_key = e.to_key
    join ends d on d.from_key = h.hub_key
),
reached as (
    select
        s.from_key,
        max(s.is_sure) as is_sure,
        max(s.level) as level,
        min(s.example) as example,
        max(s.is_possible) as is_possible,
        max(s.is_unlabelled) as is_unlabelled
    from steps s
    group by s.from_key
),
weighed as (
    select
        f.*,
        case when l.environment = 'prod' then 1 else 0 end as is_inside,
        coalesce(r.is_sure, 0) as is_sure,
        coalesce(r.is_possible, 0) as is_possible,
        coalesce(r.is_unlabelled, 0) as is_unlabelled,
        r.level as reached_level,
        r.example
    from identity_facts f
    left join tenant_labels l on l.tenant_id = f.tenant_id
    left join reached r on r.from_key = f.identity_key
    where f.environment in ('staging', 'test', 'dev', 'sandbox')
        and f.is_enabled
        and not coalesce(f.is_provider_owned, false)
        and (f.is_partner_related or coalesce(f.is_nhi, true))
)
select
    w.identity_id as subject_id,
    w.tenant_id,
    case
        when w.is_sure = 1 then 'fail'
        when w.is_inside = 1 and w.level >= $min_level then 'fail'
        when w.is_inside = 1 and (w.level_high is null or w.level_high >= $min_level) then 'unknown'
        when w.is_possible = 1 or w.is_unlabelled = 1 then 'unknown'
        else 'pass'
    end as outcome,
    case
        when w.is_sure = 1 and w.reached_level >= 4 then 'critical'
        when w.is_inside = 1 and w.level >= 4 then 'critical'
        else 'high'
    end as severity,
    w.name as identity,
    w.kind,
    case when w.provider = 'aws' then w.native_id end as arn,
    w.environment,
    case
        when w.is_sure = 1 then 'may act as ' || w.example || ' in production'
        else 'holds level ' || cast(w.level as varchar) || ' in ' || w.tenant_id || ', which is production'
    end as way,
    case
        when w.is_inside = 1 then 'its rights in the production tenant were not established'
        when w.is_possible = 1 then 'a way into production depends on conditions'
        else 'it may act as an identity without a label'
    end as doubt,
    w.example as reaches
from weighed w
