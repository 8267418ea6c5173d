select
    p.role,
    p.verdict,
    i.identity_id,
    i.level,
    i.live_credentials,
    i.last_used_at,
    p.evidence
from identity_partners p
join identity_facts i
  on i.identity_key = p.identity_key
where p.partner_id = $partner
order by i.identity_id, p.role, p.evidence
