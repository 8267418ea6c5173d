-- Enabled identities that have to do with a partner and sign in as a person does, and delegated administrators. Somebody who
-- surely has no strong rights, or a second factor, passes whatever else is unknown.
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when lower(f.mfa_state) not in ('none', 'bypassed') then 'pass'
        when f.level_high < $mfa_min_level then 'pass'
        when f.mfa_state is null then 'unknown'
        when f.level >= $mfa_min_level then 'fail'
        else 'unknown'
    end as outcome,
    case when f.kind = 'delegated_admin' then 'critical' else 'high' end as severity,
    f.name as identity,
    f.kind,
    f.level,
    f.mfa_state as second_factor,
    f.console_last_used_at as last_sign_in,
    f.admin_evidence
from identity_facts f
where f.is_enabled
    and f.is_partner_related
    and not coalesce(f.is_provider_owned, false)
    and (
        f.has_console_password
        or (f.has_console_password is null and (f.kind = 'delegated_admin' or not f.is_nhi))
    )
