-- The newest renewal of each contract in force, once for every partner that it covers. A contract that passed its last day and renews
-- itself without notice was renewed on the day after.
delete from contract_renewals;

insert into contract_renewals by name
with renewed as (
    select v.contract_id, coalesce(v.occurred, v.done) as renewed_on, false as is_automatic
    from contract_events v
    cross join scans s
    where lower(trim(v.type)) in ('renewed', 'renewal')
        and coalesce(v.occurred, v.done) <= s.as_of::date
    union all
    select contract_id, last_day + 1, true
    from contract_states
    where is_renewal_unconfirmed
),
newest as (
    select *
    from renewed
    qualify row_number() over (partition by contract_id order by renewed_on desc, is_automatic) = 1
),
reviewed as (
    select r.partner_id, r.completed_at, r.review_id
    from reviews r
    cross join scans s
    where r.scope = 'access'
        and r.completed_at <= s.as_of
)
select c.covered_id as partner_id,
    c.contract_id,
    n.renewed_on::timestamp as renewed_at,
    n.is_automatic,
    r.review_id,
    r.completed_at as reviewed_at,
    n.renewed_on - r.completed_at::date as review_age_days,
    c.register_row
from newest n
join covering c using (contract_id)
left join reviewed r on coalesce(r.partner_id, c.covered_id) = c.covered_id
where c.state = 'in_force'
qualify row_number() over (partition by c.covered_id, c.contract_id order by r.completed_at desc nulls last, r.review_id) = 1
order by partner_id, contract_id
