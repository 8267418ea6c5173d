select
    i.integration_id,
    i.kind,
    i.name,
    p.name as partner_name,
    i.trusts,
    i.grants,
    i.level
from integration_facts i
left join partner_facts p
  on p.partner_id = i.partner_id
order by i.level desc nulls last, i.integration_id
