-- aws_held_edges (one row for all who hold a combination), aws_known_edges -> access_edges
insert into access_edges
select c.identity_key, e.to_key, e.kind, e.certainty, e.is_rewriting, e.path_id, e.resource_key, e.policy_key,
       e.statement, e.evidence
from aws_held_edges e
join aws_callers c on c.combination = e.combination and c.account = e.account
where c.identity_key <> e.to_key
union all
select e.from_key, e.to_key, e.kind, e.certainty, e.is_rewriting, e.path_id, e.resource_key, e.policy_key, e.statement,
       e.evidence
from aws_known_edges e
where e.from_key <> e.to_key
   or e.is_rewriting;

drop table aws_held_edges;
drop table aws_known_edges;
