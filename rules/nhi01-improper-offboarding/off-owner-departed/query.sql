-- Enabled identities for which somebody is named.
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when f.departed_owner_mail is not null and f.departed_owner_left_on < $owner_leaver_grace_days_before then 'fail'
        when f.departed_owner_mail is not null and f.departed_owner_left_on is null then 'unknown'
        when f.departed_owner_mail is null and coalesce(f.owner_status, 'unknown') = 'unknown' then 'unknown'
        else 'pass'
    end as outcome,
    case when f.active_owners > 0 then 'medium' else 'high' end as severity,
    f.name as identity,
    f.kind,
    coalesce(f.departed_owner_mail, f.owner_mail) as owner,
    f.departed_owner_mail as departed_owner,
    f.departed_owner_left_on as left_on,
    f.active_owners as other_active_owners
from identity_facts f
where f.is_enabled
    and not coalesce(f.is_provider_owned, false)
    and (f.owner_mail is not null or f.departed_owner_mail is not null)
