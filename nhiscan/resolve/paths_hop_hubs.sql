-- The hubs one hop further. Rights that can be rewritten are an administrator's one hop away. A `not in` needs keys that are
-- never null; these are.
insert into reached
select s.from_key, $hops, min(s.to_key)
from steps s
left join reached r on r.node = s.to_key and r.hops = $hops - 1
where s.from_key < 0
  and (s.is_sure >= $sure and r.node is not null or s.rewrites >= $rewrites)
  and s.from_key not in (select node from reached)
group by s.from_key;
