-- who of outsiders and partners' identities may change a field of a CRM
select f.identity_id, f.partner_name, a.evidence, count(*) over () as total
from field_access a
join resource_facts r
  on r.resource_key = a.resource_key
join identity_facts f
  on f.identity_key = a.identity_key
where r.resource_id = $id
order by f.identity_id
limit $most
