-- Callers that a trust names, the session of a role by its role: what nothing stands against -> access_edges, the
-- rest -> assume_named, to be weighed one by one.
create or replace temp table assume_named as
with roles as (
    select i.identity_key as role_key, i.native_id as role_arn, split_part(i.tenant_id, ':', 2) as role_account
    from identities i
    where i.provider = 'aws'
),
named as (
    select t.*
    from trusts t
    where t.mechanism = 'assume_role'
      and t.principal_kind = 'identity'
),
conditioned as (
    select distinct c.trust_key
    from trust_conditions c
    join named n on n.trust_key = c.trust_key
),
who as (
    select i.identity_key as caller_key, i.native_id as arn, i.name, c.combination, c.account,
           starts_with(i.identity_id, i.tenant_id || ':user/') as is_user
    from aws_callers c
    join identities i on i.identity_key = c.identity_key
),
met as (
    select n.trust_key, w.caller_key, false as is_session
    from named n
    join who w on w.arn = n.principal
    union all
    select n.trust_key, w.caller_key, true as is_session
    from named n
    join who w on w.account = n.account and w.name = split_part(n.principal, '/', 2) and not w.is_user
    where n.principal like 'arn:%:sts::%:assumed-role/%'
)
select n.trust_key, n.principal, r.role_key, r.role_arn, r.role_account, w.caller_key, w.combination, w.account,
       m.is_session, coalesce(n.has_other_conditions, false) as doubt,
       w.account = r.role_account
       and not m.is_session
       and not coalesce(n.has_other_conditions, false)
       and c.trust_key is null
       and f.combination is not null
       and l.account is null as is_plain
from met m
join named n on n.trust_key = m.trust_key
join who w on w.caller_key = m.caller_key
join roles r on r.role_key = n.identity_key
left join conditioned c on c.trust_key = n.trust_key
left join assume_free f on f.combination = w.combination
left join assume_limited l on l.account = r.role_account
where w.caller_key <> r.role_key;

insert into access_edges
select distinct n.caller_key, n.role_key, 'may-assume', 'definite', false, 'sts-001', cast(null as bigint),
       cast(null as bigint), cast(null as varchar), 'trust names ' || n.principal
from assume_named n
where n.is_plain;

delete from assume_named
where is_plain;

delete from assume_named
where exists (
    select 1
    from access_edges e
    where e.from_key = caller_key
      and e.to_key = role_key
      and e.kind = 'may-assume'
      and e.certainty = 'definite'
);
