select partner_id, tenant_id, is_ended, ended_at, revoke_by, contract_id, has_contract, is_renewal_unconfirmed, reason, register_row
from partner_tenants
order by partner_id, tenant_id
