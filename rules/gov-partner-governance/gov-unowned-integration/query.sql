-- Enabled machines' identities that have to do with a partner, and of a CRM its apps that are there and its integration users, which
-- join somebody's system to ours whoever that is; owners inferred too weakly do not count.
with owners as (
    select
        o.identity_key,
        max(case when o.person_status = 'active' then 1 else 0 end) as has_active,
        max(case when coalesce(o.person_status, 'unknown') = 'unknown' then 1 else 0 end) as has_unknown
    from identity_owners o
    where o.verdict = 'asserted'
        and o.confidence >= $min_confidence
        and o.role in $owner_roles
    group by o.identity_key
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when o.has_active = 1 then 'pass'
        when o.has_unknown = 1 then 'unknown'
        when f.is_nhi is null then 'unknown'
        else 'fail'
    end as outcome,
    case when f.level >= 5 then 'critical' else 'high' end as severity,
    f.name as identity,
    f.kind,
    f.departed_owner_mail as departed_owner,
    f.purpose,
    a.token_users as users,
    a.partner_names as partners_of_these
from identity_facts f
left join owners o on o.identity_key = f.identity_key
left join app_facts a on a.identity_key = f.identity_key
where f.is_enabled
    and (f.is_partner_related or f.licence = 'integration' or a.identity_key is not null)
    and coalesce(f.is_installed, true)
    and coalesce(f.is_nhi, true)
    and not coalesce(f.is_provider_owned, false)
