-- Enabled identities that have to do with a partner. Level 5 is administration or what leads there; service control policies
-- are not read and never soften the answer.
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when f.is_admin or f.level >= 5 or f.admin_hops <= $max_hops then 'fail'
        when f.is_admin is null or f.level_high is null or f.level_high >= 5 then 'unknown'
        else 'pass'
    end as outcome,
    case when f.has_access then 0.8 else 0.4 end as exposure,
    f.name as identity,
    f.kind,
    f.native_id as arn,
    case
        when f.is_admin then 'is an administrator'
        when f.level >= 5 then 'can make itself an administrator'
        else 'becomes an administrator in ' || cast(f.admin_hops as varchar) || ' steps'
    end as how,
    f.admin_evidence,
    case when f.admin_hops > 0 then f.admin_next_id end as next_identity_on_the_path,
    f.has_access
from identity_facts f
where f.is_enabled
    and f.is_partner_related
    and not coalesce(f.is_provider_owned, false)
