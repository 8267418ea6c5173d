-- Partners that hold access, or may hold it, under a contract that was renewed. The window runs on both sides of the renewal; a review
-- that came later still than that has done what was asked, so it clears.
with judged as (
    select
        r.*,
        case
            when r.review_age_days <= $window_days then 0
            when r.renewed_at >= $window_days_before then 0
            else 1
        end as is_missed
    from contract_renewals r
),
ranked as (
    select
        j.*,
        max(j.is_missed) over (partition by j.partner_id) as any_missed,
        row_number() over (
            partition by j.partner_id
            order by j.is_missed desc, case when j.is_automatic then 1 else 0 end desc, j.renewed_at desc, j.contract_id
        ) as place
    from judged j
)
select
    p.partner_id as subject_id,
    cast(null as varchar) as tenant_id,
    case when r.any_missed = 0 then 'pass' when p.has_access then 'fail' else 'unknown' end as outcome,
    case when r.is_automatic and lower(p.risk_tier) in ('high', 'critical') then 'high' else 'medium' end as severity,
    p.name as partner,
    r.contract_id as contract,
    case when r.is_automatic then 'renewed itself on ' else 'was renewed on ' end
    || cast(cast(r.renewed_at as date) as varchar) as renewed,
    case
        when r.review_id is null then 'its access was never reviewed'
        else 'its access was last reviewed on ' || cast(cast(r.reviewed_at as date) as varchar)
    end as last_review,
    p.risk_tier,
    r.register_row as contract_in_the_register
from ranked r
join partner_facts p on p.partner_id = r.partner_id
where r.place = 1
    and coalesce(p.has_access, true)
    and not coalesce(p.is_ended and p.contracts > 0, false)
