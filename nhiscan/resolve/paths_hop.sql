-- One hop further: whoever is before an identity that is there, or before a hub that leads to one
insert into reached
with near as (
    select s.from_key, s.to_key as next_key
    from steps s
    left join reached r on r.node = s.to_key and r.hops = $hops - 1
    where s.from_key >= 0
      and s.to_key >= 0
      and (s.is_sure >= $sure and r.node is not null or s.rewrites >= $rewrites)
    union all
    select s.from_key, r.next_key
    from steps s
    join reached r on r.node = s.to_key and r.hops = $hops
    where s.from_key >= 0
      and s.to_key < 0
      and s.is_sure >= $sure
)
select n.from_key, $hops, min(n.next_key)
from near n
where n.from_key not in (select node from reached)
group by n.from_key;
