-- one hop further from the administrators; a `not in` needs keys that are never null, and dense keys are not
insert into reach
select e.from_key, 'admin', 'definite', $hops, min(e.to_key)
from access_edges e
join reach r on r.identity_key = e.to_key and r.hops = $hops - 1
where e.certainty = 'definite'
  and e.from_key not in (select identity_key from reach)
group by e.from_key;
