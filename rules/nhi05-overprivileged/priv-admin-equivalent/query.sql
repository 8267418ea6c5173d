-- Enabled identities that have to do with a partner. Level 5 is administration or what leads there; making and deleting
-- identities alone does not, as a new one may do nothing. Service control policies are not read and never soften the answer.
with reaching as (
    select
        p.identity_key,
        max(case when p.certainty = 'definite' and p.verb <> 'manage-identity' then 1 else 0 end) as is_sure,
        max(case when p.verb <> 'manage-identity' then 1 else 0 end) as is_possible,
        max(
            case
                when p.certainty <> 'definite' then 0
                when p.verb in ('admin', 'escalate', 'manage-policy', 'manage-trust') then 3
                when p.verb = 'impersonate' then 2
                when p.verb = 'delegate' then 1
                else 0
            end
        ) as way
    from privileges p
    where p.level >= 5
    group by p.identity_key
),
weighed as (
    select
        f.*,
        coalesce(f.level >= 5 and coalesce(r.is_sure, 1) = 1, false) as leads,
        f.level_high is null or (f.level_high >= 5 and coalesce(r.is_possible, 1) = 1) as may_lead,
        coalesce(r.way, 3) as way
    from identity_facts f
    left join reaching r on r.identity_key = f.identity_key
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when f.is_admin or f.leads or f.admin_hops <= $max_hops then 'fail'
        when f.is_admin is null or f.may_lead then 'unknown'
        else 'pass'
    end as outcome,
    case when f.has_access then 0.8 else 0.4 end as exposure,
    f.name as identity,
    f.kind,
    f.native_id as arn,
    case
        when f.is_admin then 'is an administrator'
        when f.leads and f.way = 3 then 'can make itself an administrator'
        when f.admin_hops <= $max_hops
            then 'becomes an administrator in '
            || case f.admin_hops when 1 then '1 step' else cast(f.admin_hops as varchar) || ' steps' end
        when f.leads and f.way = 2 then 'can act as every identity that lets it, administrators not excepted'
        else 'can hand every role to a service, an administrator''s not excepted'
    end as how,
    coalesce(f.admin_evidence, 'it has rights over other identities or unmapped rights, and how far they lead is open') as admin_evidence,
    case when f.admin_hops > 0 then f.admin_next_id end as next_identity_on_the_path,
    f.has_access
from weighed f
where f.is_enabled
    and f.is_partner_related
    and not coalesce(f.is_provider_owned, false)
