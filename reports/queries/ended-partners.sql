select
    i.partner_name,
    i.identity_id,
    i.contract_ended_at,
    i.last_used_at,
    i.last_used_source,
    i.owner_mail
from identity_facts i
where i.contract_is_ended
  and i.has_access
order by i.contract_ended_at, i.identity_id
