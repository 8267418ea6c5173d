-- aws_rows (one row a combination and privilege) -> privileges (one row an identity and privilege)
insert into privileges
select h.identity_key, r.verb, r.scope, r.certainty, r.level, r.policy_key, r.via_key, r.statement, r.considered
from aws_holders h
join aws_rows r on r.combination = h.combination
union all
-- It stands for the account that acts for the organization, whose rights come with services and from no policy.
select i.identity_key, 'unknown', 'all', 'potential', null, null, null, null,
       'administers services for the organization; what that allows is not weighed'
from identities i
where i.provider = 'aws'
  and i.kind = 'delegated_admin';
