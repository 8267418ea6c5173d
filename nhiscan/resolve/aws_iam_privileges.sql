-- aws_rows (one row a combination and privilege) -> privileges (one row an identity and privilege)
insert into privileges
with covered as (
    select c.tenant_id, max(case when c.status = 'complete' then 1 else 0 end) as may_apply
    from coverage c
    where c.dataset = 'scps'
    group by c.tenant_id
    having count(case when c.status in ('complete', 'not_applicable') then 1 end) > 0
       and count(case when c.status in ('partial', 'denied', 'truncated', 'failed', 'carried') then 1 end) = 0
),
-- SCPs do not limit the account that manages the organization: Organizations User Guide, "Service control policies"
managing as (
    select distinct n.tenant_id
    from org_nodes n
    where n.kind = 'root'
),
scps as (
    select
        i.identity_key,
        case
            when c.tenant_id is null then '; SCPs not read'
            when c.may_apply = 1 and m.tenant_id is null then '; SCPs read but not weighed'
            else ''
        end as words
    from identities i
    left join covered c on c.tenant_id = i.tenant_id
    left join managing m on m.tenant_id = i.tenant_id
)
select h.identity_key, r.verb, r.scope, r.certainty, r.level, r.policy_key, r.via_key, r.statement,
       r.considered || s.words as considered
from aws_holders h
join aws_rows r on r.combination = h.combination
join scps s on s.identity_key = h.identity_key
union all
-- no policy names the root user and none limits it, but for SCPs in member accounts
select i.identity_key, 'admin', 'all', 'definite', 5, null, null, null, 'the account''s root user' || s.words
from identities i
join scps s on s.identity_key = i.identity_key
where i.identity_id = i.tenant_id || ':root';
