-- every text of its place that holds a leaked value, those that still stand first
select s.where_kind, s.path, s.line, s.name, s.is_current, s.first_seen_at, s.last_seen_at, s.commit, s.author, s.found_by,
       count(*) over () as total
from leak_facts l
join secret_places p
  on p.resource_id = l.resource_id
  and (p.value_number = l.value_number or p.place_id = l.leak_id)
join sightings s
  on s.sighting_id = p.place_id
where l.leak_id = $id
order by coalesce(s.is_current, false) desc, s.first_seen_at nulls last, s.path, s.line, s.sighting_id
limit $most
