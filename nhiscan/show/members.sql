-- who is in a group
select i.identity_id, count(*) over () as total
from memberships m
join identities i
  on i.identity_key = m.identity_key
where m.group_key = $key
order by i.identity_id
limit $most
