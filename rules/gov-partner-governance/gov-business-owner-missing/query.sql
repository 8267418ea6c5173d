-- Partners that hold access, or may hold it.
select
    p.partner_id as subject_id,
    cast(null as varchar) as tenant_id,
    case
        when p.business_owner_status = 'active' then 'pass'
        when p.has_access is null then 'unknown'
        when p.business_owner is null or p.business_owner_status = 'left' then 'fail'
        else 'unknown'
    end as outcome,
    p.name as partner,
    case
        when p.business_owner is null then 'no business owner is named'
        else 'its business owner ' || p.business_owner || ' has left'
    end as problem,
    p.business_owner_left_on as left_on,
    p.tier
from partner_facts p
where coalesce(p.has_access, true)
