-- aws_rows (one row a combination and privilege) -> privileges (one row an identity and privilege)
insert into privileges
with scps as (
    select c.tenant_id
    from coverage c
    where c.dataset = 'scps'
    group by c.tenant_id
    having count(case when coalesce(c.original_status, c.status) in ('complete', 'not_applicable') then 1 end) > 0
       and count(
           case when coalesce(c.original_status, c.status) in ('partial', 'denied', 'truncated', 'failed') then 1 end
       ) = 0
)
select h.identity_key, r.verb, r.scope, r.certainty, r.level, r.policy_key, r.via_key, r.statement,
       case when s.tenant_id is null then r.considered || '; SCPs not read' else r.considered end as considered
from aws_holders h
join aws_rows r on r.combination = h.combination
join identities i on i.identity_key = h.identity_key
left join scps s on s.tenant_id = i.tenant_id
union all
-- no policy names the root user and none limits it, but for SCPs in member accounts
select i.identity_key, 'admin', 'all', 'definite', 5, null, null, null,
       case when s.tenant_id is null then 'the account''s root user; SCPs not read' else 'the account''s root user' end
from identities i
left join scps s on s.tenant_id = i.tenant_id
where i.identity_id = i.tenant_id || ':root';
