select i.identity_key, i.identity_id, i.provider, i.tenant_id, i.environment, i.kind, i.name, i.native_id, i.purpose,
       i.is_enabled, i.has_access, i.is_trusted_from_outside, i.level, i.level_high, i.is_admin, i.admin_evidence, i.admin_hops,
       i.admin_next_id, i.live_credentials, i.created_at, i.last_used_at, i.last_used_known, i.last_used_source,
       i.partner_count, i.is_partner_disputed,
       i.owner_mail, i.owner_status, i.owner_left_on, i.mfa_state, i.has_console_password,
       i.contract_is_ended, i.contract_ended_at, i.contract_id, i.contract_reason, i.contract_row, i.use_after_end_at
from identity_facts i
where i.identity_key in (select unnest($keys::bigint[]))
order by i.tenant_id, i.kind, i.name, i.identity_id
