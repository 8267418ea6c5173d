-- access_edges -> steps, as the search needs them; nobody becomes anybody by being in a group
create or replace temp table steps as
select e.from_key, e.to_key, max(case when e.certainty = 'definite' then 1 else 0 end) as is_sure,
       max(case when e.is_rewriting and e.certainty = 'definite' then 2 when e.is_rewriting then 1 else 0 end) as rewrites
from access_edges e
where e.kind <> 'member-of'
  and (e.from_key <> e.to_key or e.is_rewriting)
group by e.from_key, e.to_key;
