-- the numbers of the first page; the machine estate that partners touch
select count(*) filter (is_partner_related) as identities,
       count(*) as all_identities,
       coalesce(sum(live_credentials) filter (is_partner_related), 0)::bigint as live_credentials,
       count(*) filter (is_partner_related and is_admin) as admins,
       count(*) filter (is_partner_related and is_admin is null) as admins_unknown,
       count(*) filter (is_partner_related and active_owners = 0) as unowned,
       count(*) filter (is_partner_related and has_access and contract_is_ended) as ended_identities,
       count(*) filter (is_partner_related and has_access and contract_is_ended is null and partner_id is not null) as ended_unknown,
       count(distinct partner_id) filter (has_access and contract_is_ended) as ended_partners,
       max(use_after_end_at) as used_after_end_at,
       count(*) filter (is_partner_disputed) as disputed,
       count(*) filter (is_partner_related and partner_id is null) as unattributed,
       count(distinct tenant_id) filter (is_partner_related) as tenants,
       count(*) filter (is_ai_agent) as agents
from identity_facts
