-- where else the leaked value is: other places, workloads, and stores whose fingerprints were taken
select p.where_kind, p.location, p.name, p.holder_id, p.is_stored, p.environment, p.partner_name, count(*) over () as total
from leak_facts l
join secret_places p
  on p.value_number = l.value_number
  and p.resource_id is distinct from l.resource_id
where l.leak_id = $id
order by p.is_stored desc, p.holder_id, p.place_id
limit $most
