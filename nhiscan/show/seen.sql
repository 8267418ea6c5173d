-- secrets in the texts of a resource
select s.where_kind, s.name, s.kind, s.native_id, s.location, s.line, count(*) over () as total
from sightings s
join resource_facts r
  on r.resource_key = s.resource_key
where r.resource_id = $id
order by s.where_kind, s.location, s.line, s.name, s.kind, s.sighting_id
limit $most
