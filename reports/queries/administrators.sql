select
    i.partner_name,
    i.identity_id,
    i.is_admin,
    i.admin_hops,
    i.admin_next_id,
    i.admin_evidence
from identity_facts i
where i.is_partner_related
  and (i.is_admin or i.admin_hops is not null)
order by i.admin_hops, i.identity_id
