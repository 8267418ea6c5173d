select f.partner_id, f.name, f.type, f.tier, f.risk_tier, f.criticality, f.business_owner, f.business_owner_status,
       f.business_owner_left_on, f.identities, f.live_credentials, f.has_access, f.level, f.last_used_at, f.contracts,
       f.contracts_in_force, f.has_draft_only, f.is_ended, f.ended_at, f.is_renewal_unconfirmed, f.touches_production, f.register_row,
       p.legal_name, p.technical_owner, p.backup_owner, p.exported_at, p.declared_nhi_count,
       k.oldest_days
from partner_facts f
left join partners p on p.partner_id = f.partner_id
left join (
    select h.partner_id, max(c.age_days) as oldest_days
    from (select distinct identity_key, partner_id from identity_partners where verdict = 'asserted') h
    join credential_facts c on c.identity_key = h.identity_key
    where c.is_live
    group by h.partner_id
) k on k.partner_id = f.partner_id
order by f.name, f.partner_id
