-- aws_ways, with who goes them (aws_held: all who hold a combination, aws_known) and what is behind their hubs (aws_behind)
-- -> access_hubs, access_edges
insert into access_hubs
select w.hub_key, w.name
from aws_ways w
where w.hub_key is not null;

insert into access_edges
with ends as (
    select c.identity_key as from_key, h.way, h.to_key, h.resource_key, h.policy_key, h.statement, h.evidence
    from aws_held h
    join aws_callers c on c.combination = h.combination and c.account = h.account
    union all
    select k.from_key, k.way, k.to_key, k.resource_key, k.policy_key, k.statement, k.evidence
    from aws_known k
    union all
    select w.hub_key, b.way, b.to_key, b.resource_key, null, null, b.evidence
    from aws_behind b
    join aws_ways w on w.way = b.way
)
select e.from_key, e.to_key, w.kind, w.certainty, w.is_rewriting, w.path_id, e.resource_key, e.policy_key, e.statement,
       e.evidence
from ends e
join aws_ways w on w.way = e.way
where e.from_key <> e.to_key
   or w.is_rewriting;

drop table aws_ways;
drop table aws_behind;
drop table aws_held;
drop table aws_known;
