-- who of outsiders and partners' identities reaches an object of a CRM, the widest first
select f.identity_id, f.partner_name, a.can_read, a.can_write, a.record_scope, a.record_scope_high, a.visible_records,
       a.foreign_records, a.evidence, count(*) over () as total
from record_access a
join resource_facts r
  on r.resource_key = a.resource_key
join identity_facts f
  on f.identity_key = a.identity_key
where r.resource_id = $id
order by coalesce(list_position(['own', 'account', 'team', 'all'], a.record_scope), 0) desc,
         coalesce(list_position(['own', 'account', 'team', 'all'], a.record_scope_high), 5) desc, a.foreign_records desc nulls last,
         f.identity_id
limit $most
