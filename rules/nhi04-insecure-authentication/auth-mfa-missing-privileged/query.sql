-- Enabled identities that have to do with a partner and sign in as a person does, and delegated administrators. Somebody who
-- surely has no strong rights, or a second factor, passes whatever else is unknown. Where a provider tells of no single person
-- whether a second factor is registered, a setting that requires one of everybody counts.
with required as (
    select distinct s.tenant_id
    from setting_facts s
    where s.name = 'mfa.required'
        and lower(s.value) = 'yes'
        and s.applies_to is null
        and not exists (
            select 1
            from setting_facts n
            where n.tenant_id = s.tenant_id
                and n.name = s.name
                and n.applies_to is not null
                and coalesce(lower(n.value), '') <> 'yes'
        )
),
delegates as (
    select distinct g.identity_key
    from grants g
    where g.source = 'delegation'
        and g.identity_key is not null
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when lower(f.mfa_state) not in ('none', 'bypassed') then 'pass'
        when f.level_high < $mfa_min_level then 'pass'
        when f.mfa_state is null and q.tenant_id is not null then 'pass'
        when f.mfa_state is null then 'unknown'
        when f.level >= $mfa_min_level then 'fail'
        else 'unknown'
    end as outcome,
    case when f.kind = 'delegated_admin' or d.identity_key is not null then 'critical' else 'high' end as severity,
    f.name as identity,
    f.kind,
    f.level,
    f.mfa_state as second_factor,
    f.console_last_used_at as last_sign_in,
    f.admin_evidence
from identity_facts f
left join required q on q.tenant_id = f.tenant_id
left join delegates d on d.identity_key = f.identity_key
where f.is_enabled
    and (f.is_partner_related or f.is_external)
    and coalesce(f.kind, '') <> 'guest'
    and not coalesce(f.is_provider_owned, false)
    and (
        f.has_console_password
        or (f.has_console_password is null and (f.kind = 'delegated_admin' or not f.is_nhi))
    )
