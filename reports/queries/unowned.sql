select
    i.identity_id,
    i.partner_name,
    i.level,
    i.last_used_at,
    i.departed_owner_mail
from identity_facts i
where i.is_nhi
  and i.is_enabled
  and i.is_partner_related
  and not i.is_provider_owned
  and coalesce(i.active_owners, 0) = 0
order by i.level desc nulls last, i.identity_id
