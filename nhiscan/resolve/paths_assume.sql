-- aws_callers, aws_holders, aws_patterns -> access_edges of kind may-assume

create or replace temp table assume_roles as
select i.identity_key as role_key, i.native_id as arn, split_part(i.tenant_id, ':', 2) as account
from identities i
where i.provider = 'aws'
  and i.identity_key in (select t.identity_key from trusts t where t.mechanism = 'assume_role');

create or replace temp table assume_callers as
select h.identity_key as caller_key, h.combination, i.native_id as arn, i.name,
       split_part(i.tenant_id, ':', 2) as account,
       starts_with(i.identity_id, i.tenant_id || ':user/') as is_user
from aws_holders h
join identities i on i.identity_key = h.identity_key;

create or replace temp table assume_patterns as
select p.combination, p.part, p.pattern, p.policy_name,
       replace(replace(replace(replace(replace(
           p.pattern, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%'), '?', '_') as like_text
from aws_patterns p;

-- Trusts that a known identity can meet, each with what its conditions are worth.
create or replace temp table assume_trusts as
with judged as (
    select c.trust_key,
           count(case when lower(c.name) in ('aws:principalarn', 'aws:principalaccount')
                       and lower(c.operator) in ('stringequals', 'stringlike', 'arnequals', 'arnlike')
                       and position('${' in c.value) = 0
                      then null else c.name end) as undecidable
    from trust_conditions c
    group by c.trust_key
)
select t.trust_key, t.identity_key as role_key, t.principal_kind, t.principal, t.account,
       j.trust_key is not null as has_conditions,
       case when j.undecidable > 0 then 1 when t.has_other_conditions then 0 else 2 end as trust_rank
from trusts t
left join judged j on j.trust_key = t.trust_key
where t.mechanism = 'assume_role'
  and t.principal_kind in ('any', 'account', 'identity');

-- Whose account or everybody is let in: the patterns that are in use in an account meet that account's open roles
-- once, and only then the identities that share them. An account that trusts itself is a hub, not a pair of each two.
create or replace temp table assume_let_in as
with places as (
    select distinct c.combination, c.account
    from assume_callers c
),
permitted as (
    select p.combination, p.part, p.pattern, p.like_text, p.policy_name, c.account
    from assume_patterns p
    join places c on c.combination = p.combination
    where p.part in ('allow', 'allow_if')
),
in_use as (
    select distinct p.account, p.pattern, p.like_text
    from permitted p
),
matched as (
    select t.trust_key, t.role_key, u.account, u.pattern
    from in_use u
    join assume_trusts t on t.principal_kind = 'account' and t.account = u.account
    join assume_roles r on r.role_key = t.role_key
    where r.arn like u.like_text escape '\'
    union all
    select t.trust_key, t.role_key, u.account, u.pattern
    from in_use u
    join assume_trusts t on t.principal_kind = 'any'
    join assume_roles r on r.role_key = t.role_key
    where r.arn like u.like_text escape '\'
)
select m.trust_key, m.role_key, p.combination, p.account, max(case when p.part = 'allow' then 2 else 1 end) as allowed,
       min(p.pattern) as pattern, min(p.policy_name) as policy_name
from matched m
join permitted p on p.account = m.account and p.pattern = m.pattern
group by m.trust_key, m.role_key, p.combination, p.account;

-- Who is named; the session of a role by its role.
create or replace temp table assume_named as
select t.trust_key, t.role_key, c.caller_key, c.combination, c.is_user, c.account = r.account as is_same_account,
       false as is_session
from assume_trusts t
join assume_roles r on r.role_key = t.role_key
join assume_callers c on c.arn = t.principal
where t.principal_kind = 'identity'
union all
select t.trust_key, t.role_key, c.caller_key, c.combination, c.is_user, c.account = r.account, true
from assume_trusts t
join assume_roles r on r.role_key = t.role_key
join assume_callers c on c.account = t.account and c.name = split_part(t.principal, '/', 2) and not c.is_user
where t.principal_kind = 'identity'
  and t.principal like 'arn:%:sts::%:assumed-role/%';

create or replace temp table assume_pairs as
with permitted as (
    select n.combination, n.role_key, max(case when p.part = 'allow' then 2 else 1 end) as allowed,
           min(p.pattern) as pattern, min(p.policy_name) as policy_name
    from (select distinct combination, role_key from assume_named where not is_same_account) n
    join assume_roles r on r.role_key = n.role_key
    join assume_patterns p on p.combination = n.combination
    where p.part in ('allow', 'allow_if')
      and r.arn like p.like_text escape '\'
    group by n.combination, n.role_key
)
select l.trust_key, l.role_key, c.caller_key, l.combination, l.allowed, l.pattern, l.policy_name,
       false as is_session, false as is_unbounded
from assume_let_in l
join assume_callers c on c.combination = l.combination and c.account = l.account
union all
select n.trust_key, n.role_key, n.caller_key, n.combination,
       case when n.is_same_account then 2 else coalesce(p.allowed, 0) end, p.pattern, p.policy_name, n.is_session,
       -- What a trust gives to a user by name is not limited by a boundary that is silent; to a role it is.
       n.is_same_account and n.is_user
from assume_named n
left join permitted p on p.combination = n.combination and p.role_key = n.role_key and not n.is_same_account;

-- Denies and boundaries that touch the role, where the combination has any.
create or replace temp table assume_limits as
select a.combination, a.role_key,
       max(case p.part when 'deny' then 2 when 'deny_if' then 1 else 0 end) as denied,
       max(case p.part when 'boundary' then 2 when 'boundary_if' then 1 else 0 end) as within_boundary,
       max(case p.part when 'bounded' then 1 else 0 end) as is_bounded
from (select distinct combination, role_key from assume_pairs) a
join assume_patterns p on p.combination = a.combination
join assume_roles r on r.role_key = a.role_key
where p.part not in ('allow', 'allow_if')
  and (p.part = 'bounded' or r.arn like p.like_text escape '\')
group by a.combination, a.role_key;

-- Conditions on who calls, decided for each caller: all keys have to match, any value of a key will do.
create or replace temp table assume_refused as
select distinct k.trust_key, k.caller_key
from (
    select c.trust_key, a.caller_key, c.operator, c.name,
           max(case when case lower(c.name) when 'aws:principalarn' then a.arn else a.account end
                         like replace(replace(replace(replace(replace(
                             c.value, '\', '\\'), '%', '\%'), '_', '\_'),
                             '*', case when lower(c.operator) = 'stringequals' then '*' else '%' end),
                             '?', case when lower(c.operator) = 'stringequals' then '?' else '_' end) escape '\'
                    then 1 else 0 end) as is_met
    from trust_conditions c
    join (
        select distinct p.trust_key, k.caller_key, k.arn, k.account
        from assume_pairs p
        join assume_trusts t on t.trust_key = p.trust_key and t.has_conditions
        join assume_callers k on k.caller_key = p.caller_key
    ) a on a.trust_key = c.trust_key
    where lower(c.name) in ('aws:principalarn', 'aws:principalaccount')
      and lower(c.operator) in ('stringequals', 'stringlike', 'arnequals', 'arnlike')
      and position('${' in c.value) = 0
    group by c.trust_key, a.caller_key, c.operator, c.name
) k
where k.is_met = 0;

insert into access_edges (from_key, to_key, kind, certainty, evidence)
with weighed as (
    select p.caller_key, p.role_key, t.principal, p.pattern, p.policy_name, p.is_session, t.trust_rank, p.allowed,
           coalesce(l.denied, 0) as denied,
           case when p.is_unbounded or coalesce(l.is_bounded, 0) = 0 then 2 else l.within_boundary end as bounded
    from assume_pairs p
    join assume_trusts t on t.trust_key = p.trust_key
    left join assume_refused r on r.trust_key = p.trust_key and r.caller_key = p.caller_key
    left join assume_limits l on l.combination = p.combination and l.role_key = p.role_key
    where r.trust_key is null
      and p.caller_key <> p.role_key
),
judged as (
    select w.caller_key, w.role_key,
           case when w.allowed = 2 and w.denied = 0 and w.bounded = 2 and w.trust_rank = 2 and not w.is_session then '0'
                when w.denied = 0 and w.bounded = 2 and w.trust_rank >= 1 then '1'
                else '2' end as doubt,
           'trust names ' || w.principal || case when w.pattern is null then ''
               else '; sts:AssumeRole on ' || w.pattern || ' in ' || coalesce(w.policy_name, 'a policy') end as evidence
    from weighed w
    where w.allowed > 0 and w.denied < 2 and w.bounded > 0
),
best as (
    -- The least text begins with the least doubt, so one pass finds the surest way and its evidence.
    select j.caller_key, j.role_key, min(j.doubt || j.evidence) as way
    from judged j
    group by j.caller_key, j.role_key
)
select b.caller_key, b.role_key, 'may-assume',
       case substr(b.way, 1, 1) when '0' then 'definite' when '1' then 'conditional' else 'potential' end,
       substr(b.way, 2)
from best b;

drop table assume_roles;
drop table assume_callers;
drop table assume_patterns;
drop table assume_trusts;
drop table assume_let_in;
drop table assume_named;
drop table assume_pairs;
drop table assume_limits;
drop table assume_refused;
