select i.identity_key, count(*) over () as total
from identity_facts i
where i.is_partner_related
  and i.partner_id is null
order by i.is_admin desc nulls last, i.level desc nulls last, i.tenant_id, i.name, i.identity_id
limit $most
