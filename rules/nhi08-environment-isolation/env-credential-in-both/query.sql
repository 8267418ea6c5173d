-- One finding a value, at its place in production: there it has to be replaced. A key id stands for its key. A label is needed at
-- both ends; without one nothing is concluded.
with copies as (
    select
        p.value_number,
        p.holder_id,
        min(p.resource_id) as resource_id,
        max(p.environment) as environment
    from secret_places p
    where p.holder_id is not null
        and p.value_number is not null
    group by p.value_number, p.holder_id
),
sides as (
    select
        value_number,
        max(case when environment = 'prod' then 1 else 0 end) as is_prod,
        max(case when environment in ('staging', 'test', 'dev', 'sandbox') then 1 else 0 end) as is_other,
        case when count(environment) < count(*) then 1 else 0 end as is_unlabelled,
        count(*) as holders,
        min(case when environment in ('staging', 'test', 'dev', 'sandbox') then holder_id end) as elsewhere
    from copies
    group by value_number
),
placed as (
    select
        c.resource_id,
        case
            when s.is_prod = 1 and s.is_other = 1 then 2
            when s.holders > 1 and s.is_unlabelled = 1 then 1
            else 0
        end as state,
        s.elsewhere,
        row_number() over (
            partition by c.value_number
            order by
                case when c.resource_id is null then 1 else 0 end,
                case when c.environment = 'prod' then 0 else 1 end,
                c.holder_id
        ) as place
    from copies c
    join sides s on s.value_number = c.value_number
),
by_resource as (
    select
        resource_id,
        max(case when place = 1 then state else 0 end) as leading,
        max(case when place > 1 then state else 0 end) as following,
        min(case when place = 1 and state = 2 then elsewhere end) as elsewhere
    from placed
    where resource_id is not null
    group by resource_id
)
select
    r.resource_id as subject_id,
    r.tenant_id,
    case b.leading when 2 then 'fail' when 1 then 'unknown' else 'pass' end as outcome,
    r.kind,
    r.name as resource,
    r.environment,
    coalesce(f.kind || ' ' || f.name, b.elsewhere) as elsewhere,
    f.environment as elsewhere_environment,
    r.partner_name as partner
from by_resource b
join resource_facts r on r.resource_id = b.resource_id
left join resource_facts f on f.resource_id = b.elsewhere
where b.leading > 0
    or b.following = 0
