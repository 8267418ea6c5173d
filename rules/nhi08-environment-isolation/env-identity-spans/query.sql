-- Identities that are not labelled non-production themselves (env-nonprod-reaches-prod speaks of those): where they stand, whom
-- they may become, and where they were used.
with tenant_labels as (
    select
        value as tenant_id,
        max(environment) as environment
    from company
    where kind = 'tenant'
    group by value
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
        e.from_key,
        t.environment,
        'may become ' || t.identity_id,
        case when e.certainty = 'definite' then 1 else 0 end
    from access_edges e
    join identity_facts t on t.identity_key = e.to_key
    where e.kind = 'may-assume'
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
