-- one step further from where somebody has come; each place by the smallest key among those that lead there
insert into path_seen
with here as (
    select s.place
    from path_seen s
    where s.steps = $steps - 1
),
usable as (
    select e.from_key, e.to_key
    from access_edges e
    where e.from_key <> e.to_key
      and (e.certainty = 'definite' or not $definite)
),
hubs as (
    select u.to_key as hub_key, min(u.from_key) as came_from
    from usable u
    join here h
      on h.place = u.from_key
    where u.to_key < 0
    group by u.to_key
),
there as (
    select u.to_key as place, u.from_key as came_from
    from usable u
    join here h
      on h.place = u.from_key
    where u.to_key >= 0
    union all
    select u.to_key, b.came_from
    from usable u
    join hubs b
      on b.hub_key = u.from_key
    where u.to_key >= 0
)
select t.place, $steps, min(t.came_from)
from there t
where t.place not in (select place from path_seen)
group by t.place
