-- reached -> reach; what is sure needs not be said again as unsure
insert into reach
select d.node, $goal, $certainty, d.hops, d.next_key
from reached d
left join reach r on r.identity_key = d.node and r.goal = $goal
where d.node >= 0
  and r.identity_key is null;
