-- Identities that an asserted partner holds and that can be used.
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when f.contract_is_ended is null then 'unknown'
        when not f.contract_is_ended then 'pass'
        when f.contract_ended_at is null then 'unknown'
        when coalesce(f.contract_revoke_by >= $as_of, f.contract_ended_at >= $grace_hours_before) then 'pass'
        when f.has_access is null then 'unknown'
        else 'fail'
    end as outcome,
    f.name as identity,
    f.kind,
    f.partner_name as partner,
    f.contract_ended_at as contract_ended,
    f.contract_revoke_by as access_was_to_go_by,
    f.contract_reason as contract_state,
    f.live_credentials,
    f.is_trusted_from_outside as trusted_from_outside,
    f.level
from identity_facts f
where f.partner_id is not null
    and f.is_enabled
    and coalesce(f.has_access, true)
