-- Identities that are not labelled non-production themselves (env-nonprod-reaches-prod speaks of those): where they stand, as whom
-- they may act, and where they were used. What lies behind a hub is summed up by environment once, however many stand before it.
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
        t.environment,
        e.certainty = 'definite' as is_definite,
        min('may act as ' || t.identity_id) as way
    from access_edges e
    join identity_facts t on t.identity_key = e.to_key
    where e.kind <> 'member-of'
        and e.from_key <> e.to_key
    group by e.from_key, t.environment, e.certainty = 'definite'
),
touched as (
    select
        f.identity_key,
        f.environment,
        'its own label' as way,
        1 as is_sure
    from identity_facts f
    union all
    select
        d.from_key,
        d.environment,
        d.way,
        case when d.is_definite then 1 else 0 end
    from ends d
    union all
    select
        e.from_key,
        d.environment,
        d.way,
        case when e.certainty = 'definite' and d.is_definite then 1 else 0 end
    from access_edges e
    join access_hubs h on h.hub_key = e.to_key
    join ends d on d.from_key = h.hub_key
    union all
    select
        f.identity_key,
        l.environment,
        'was used in ' || u.tenant_id,
        1
    from usage u
    join identity_facts f on f.identity_id = u.identity_id
    join tenant_labels l on l.tenant_id = u.tenant_id
    where u.outcome = 'success'
        and u.occurred_at >= $window_days_before
        and u.tenant_id <> f.tenant_id
),
sides as (
    select
        t.identity_key,
        max(case when t.is_sure = 1 and t.environment = 'prod' then 1 else 0 end) as is_prod,
        max(case when t.is_sure = 1 and t.environment in ('staging', 'test', 'dev', 'sandbox') then 1 else 0 end) as is_other,
        max(case when t.environment = 'prod' then 1 else 0 end) as may_prod,
        max(case when t.environment in ('staging', 'test', 'dev', 'sandbox') then 1 else 0 end) as may_other,
        max(case when t.environment is null then 1 else 0 end) as is_unlabelled,
        count(*) as ways,
        min(case when t.is_sure = 1 and t.environment in ('staging', 'test', 'dev', 'sandbox') then t.environment end) as elsewhere,
        min(case when t.is_sure = 1 and t.environment = 'prod' then t.way end) as prod_way,
        min(case when t.is_sure = 1 and t.environment in ('staging', 'test', 'dev', 'sandbox') then t.way end) as other_way
    from touched t
    group by t.identity_key
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when s.is_prod = 1 and s.is_other = 1 then 'fail'
        when s.may_prod = 1 and s.may_other = 1 then 'unknown'
        when s.is_unlabelled = 1 and (s.may_prod = 1 or s.may_other = 1) then 'unknown'
        else 'pass'
    end as outcome,
    f.name as identity,
    f.kind,
    s.elsewhere,
    s.prod_way || '; ' || s.other_way as ways
from sides s
join identity_facts f on f.identity_key = s.identity_key
where coalesce(f.environment, 'prod') = 'prod'
    and (s.ways > 1 or f.environment is not null)
    and f.is_enabled
    and not coalesce(f.is_provider_owned, false)
    and (f.is_partner_related or coalesce(f.is_nhi, true))
