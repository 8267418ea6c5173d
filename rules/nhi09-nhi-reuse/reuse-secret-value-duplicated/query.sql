-- One finding a value, at the place that would stay: the store, else the first by id. The other places are its evidence.
with copies as (
    select
        p.value_number,
        p.holder_id,
        min(p.resource_id) as resource_id,
        max(case when p.is_stored then 1 else 0 end) as is_stored,
        max(p.partner_id) as partner_id
    from secret_places p
    where p.is_secret
        and p.holder_id is not null
        and p.value_number is not null
    group by p.value_number, p.holder_id
),
shared as (
    select
        value_number,
        count(*) as holders,
        count(distinct partner_id) as partners
    from copies
    group by value_number
),
placed as (
    select
        c.resource_id,
        s.holders,
        s.partners,
        row_number() over (
            partition by c.value_number
            order by case when c.resource_id is null then 1 else 0 end, c.is_stored desc, c.holder_id
        ) as place
    from copies c
    join shared s on s.value_number = c.value_number
),
by_resource as (
    select
        resource_id,
        sum(case when holders > 1 and place = 1 then 1 else 0 end) as leading,
        sum(case when holders > 1 and place > 1 then 1 else 0 end) as following,
        max(case when place = 1 then holders end) as holders,
        max(case when place = 1 then partners end) as partners
    from placed
    where resource_id is not null
    group by resource_id
)
select
    r.resource_id as subject_id,
    r.tenant_id,
    case when b.leading > 0 then 'fail' else 'pass' end as outcome,
    case when b.partners > 1 then 'high' else 'medium' end as severity,
    r.kind,
    r.name as resource,
    case when b.leading = 1 then 'a secret' else cast(b.leading as varchar) || ' secrets' end as values,
    case
        when b.holders = 2 then 'one other place holds'
        else 'up to ' || cast(b.holders - 1 as varchar) || ' other places hold'
    end as others,
    b.partners,
    r.environment
from by_resource b
join resource_facts r on r.resource_id = b.resource_id
where b.leading > 0
    or b.following = 0
