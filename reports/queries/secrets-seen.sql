select
    s.kind,
    s.where_kind,
    s.location,
    s.line,
    s.name,
    r.resource_id,
    r.partner_name,
    r.owner_mail,
    s.native_id
from sightings s
left join resource_facts r
  on r.resource_key = s.resource_key
order by s.kind, s.location, s.line, s.name, s.sighting_id
