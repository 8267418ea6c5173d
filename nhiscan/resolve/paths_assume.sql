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

-- Each distinct resource pattern against the roles, once.
create or replace temp table assume_matches as
with patterns as (
    select distinct p.pattern, p.account,
           replace(replace(replace(replace(replace(
               p.pattern, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%'), '?', '_') as like_text
    from aws_patterns p
    where p.pattern <> '*' and p.pattern <> ''
)
select p.pattern, r.role_key
from patterns p
join assume_roles r on r.arn = p.pattern
union
select p.pattern, r.role_key
from patterns p
join assume_roles r on r.account = p.account and r.arn like p.like_text escape '\'
where p.account is not null and p.like_text <> p.pattern
union
select p.pattern, r.role_key
from patterns p
join assume_roles r on r.arn like p.like_text escape '\'
where p.account is null and p.like_text <> p.pattern;

-- Trusts that a known identity can meet, each with what its conditions are worth.
create or replace temp table assume_trusts as
with judged as (
    select t.trust_key,
           count(case when lower(c.name) in ('aws:principalarn', 'aws:principalaccount')
                       and lower(c.operator) in ('stringequals', 'stringlike', 'arnequals', 'arnlike')
                       and position('${' in c.value) = 0
                      then null else c.name end) as undecidable,
           count(c.name) as conditions
    from trusts t
    left join trust_conditions c on c.trust_key = t.trust_key
    group by t.trust_key
)
select t.trust_key, t.identity_key as role_key, t.principal_kind, t.principal, t.account,
       j.conditions > 0 as has_conditions,
       case when j.undecidable > 0 then 1 when t.has_other_conditions then 0 else 2 end as trust_rank
from trusts t
join judged j on j.trust_key = t.trust_key
where t.mechanism = 'assume_role'
  and t.principal_kind in ('any', 'account', 'identity');

-- Trust side: who is named (a session of a role by its role), and whose account or everybody is let in. The latter
-- meet a permission, or no pair is made: an account that trusts itself is a hub, not a pair of each two identities.
create or replace temp table assume_pairs as
with sure as (
    select p.combination, m.role_key, max(case when p.part = 'allow' then 2 else 1 end) as allowed,
           min(p.pattern) as pattern, min(p.policy_name) as policy_name
    from aws_patterns p
    join assume_matches m on m.pattern = p.pattern
    where p.part in ('allow', 'allow_if')
    group by p.combination, m.role_key
),
anywhere as (
    select p.combination, max(case when p.part = 'allow' then 2 else 1 end) as allowed,
           min(p.pattern) as pattern, min(p.policy_name) as policy_name
    from aws_patterns p
    where p.part in ('allow', 'allow_if') and p.pattern = '*'
    group by p.combination
),
places as (
    select distinct c.combination, c.account
    from assume_callers c
),
let_in as (
    select t.trust_key, t.role_key, p.combination, p.account, s.allowed, s.pattern, s.policy_name
    from assume_trusts t
    join sure s on s.role_key = t.role_key
    join places p on p.combination = s.combination
    where t.principal_kind = 'any' or t.account = p.account
    union all
    select t.trust_key, t.role_key, p.combination, p.account, a.allowed, a.pattern, a.policy_name
    from assume_trusts t
    join places p on t.principal_kind = 'any' or t.account = p.account
    join anywhere a on a.combination = p.combination
),
named as (
    select t.trust_key, t.role_key, c.caller_key, c.combination, c.is_user, c.account = r.account as is_same_account,
           t.principal like 'arn:%:sts::%' as is_session
    from assume_trusts t
    join assume_roles r on r.role_key = t.role_key
    join assume_callers c on c.arn = t.principal
    where t.principal_kind = 'identity'
    union all
    select t.trust_key, t.role_key, c.caller_key, c.combination, c.is_user, c.account = r.account, true
    from assume_trusts t
    join assume_roles r on r.role_key = t.role_key
    join assume_callers c on c.account = t.account and c.name = split_part(t.principal, '/', 2) and not c.is_user
    where t.principal_kind = 'identity' and t.principal like 'arn:%:sts::%:assumed-role/%'
)
select l.trust_key, l.role_key, c.caller_key, l.combination, l.allowed, l.pattern, l.policy_name,
       false as is_session, false as is_unbounded
from let_in l
join assume_trusts t on t.trust_key = l.trust_key
join assume_callers c on c.combination = l.combination and c.account = l.account
where t.principal_kind in ('any', 'account')
union all
select n.trust_key, n.role_key, n.caller_key, n.combination,
       case when n.is_same_account then 2 else coalesce(greatest(s.allowed, a.allowed), s.allowed, a.allowed, 0) end,
       case when not n.is_same_account then coalesce(s.pattern, a.pattern) end,
       case when not n.is_same_account then coalesce(s.policy_name, a.policy_name) end,
       n.is_session,
       -- What a trust gives to a user by name is not limited by a boundary that is silent; to a role it is.
       n.is_same_account and n.is_user
from named n
left join sure s on s.combination = n.combination and s.role_key = n.role_key
left join anywhere a on a.combination = n.combination;

-- Denies and boundaries that touch the role, where the combination has any.
create or replace temp table assume_limits as
with touching as (
    select p.combination, m.role_key, p.part
    from aws_patterns p
    join assume_matches m on m.pattern = p.pattern
    where p.part not in ('allow', 'allow_if')
    union all
    select distinct p.combination, a.role_key, p.part
    from aws_patterns p
    join assume_pairs a on a.combination = p.combination
    where p.part not in ('allow', 'allow_if') and p.pattern in ('*', '')
)
select t.combination, t.role_key,
       max(case t.part when 'deny' then 2 when 'deny_if' then 1 else 0 end) as denied,
       max(case t.part when 'boundary' then 2 when 'boundary_if' then 1 else 0 end) as within_boundary,
       max(case t.part when 'bounded' then 1 else 0 end) as is_bounded
from touching t
group by t.combination, t.role_key;

insert into access_edges
with keyed as (
    -- Conditions on who calls, decided for each caller: all keys have to match, any value of a key will do.
    select c.trust_key, a.caller_key, c.operator, c.name,
           max(case when case lower(c.name) when 'aws:principalarn' then a.arn else a.account end
                         like replace(replace(replace(replace(replace(
                             c.value, '\', '\\'), '%', '\%'), '_', '\_'),
                             '*', case when lower(c.operator) = 'stringequals' then '*' else '%' end),
                             '?', case when lower(c.operator) = 'stringequals' then '?' else '_' end) escape '\'
                    then 1 else 0 end) as is_met
    from trust_conditions c
    join (select distinct p.trust_key, k.caller_key, k.arn, k.account
          from assume_pairs p
          join assume_trusts t on t.trust_key = p.trust_key and t.has_conditions
          join assume_callers k on k.caller_key = p.caller_key) a on a.trust_key = c.trust_key
    where lower(c.name) in ('aws:principalarn', 'aws:principalaccount')
      and lower(c.operator) in ('stringequals', 'stringlike', 'arnequals', 'arnlike')
      and position('${' in c.value) = 0
    group by c.trust_key, a.caller_key, c.operator, c.name
),
refused as (
    select distinct k.trust_key, k.caller_key
    from keyed k
    where k.is_met = 0
),
weighed as (
    select p.caller_key, p.role_key, t.principal, p.pattern, p.policy_name, p.is_session, t.trust_rank, p.allowed,
           coalesce(l.denied, 0) as denied,
           case when p.is_unbounded or coalesce(l.is_bounded, 0) = 0 then 2 else l.within_boundary end as bounded
    from assume_pairs p
    join assume_trusts t on t.trust_key = p.trust_key
    left join refused r on r.trust_key = p.trust_key and r.caller_key = p.caller_key
    left join assume_limits l on l.combination = p.combination and l.role_key = p.role_key
    where r.trust_key is null
      and p.caller_key <> p.role_key
),
judged as (
    select w.caller_key, w.role_key,
           case when w.allowed = 2 and w.denied = 0 and w.bounded = 2 and w.trust_rank = 2 and not w.is_session then 2
                when w.denied = 0 and w.bounded = 2 and w.trust_rank >= 1 then 1
                else 0 end as rank,
           'trust names ' || w.principal || case when w.pattern is null then ''
               else '; sts:AssumeRole on ' || w.pattern || ' in ' || coalesce(w.policy_name, 'a policy') end as evidence
    from weighed w
    where w.allowed > 0 and w.denied < 2 and w.bounded > 0
),
best as (
    select j.caller_key, j.role_key, max(j.rank) as rank
    from judged j
    group by j.caller_key, j.role_key
)
select b.caller_key, b.role_key, 'may-assume',
       case b.rank when 2 then 'definite' when 1 then 'conditional' else 'potential' end,
       min(j.evidence)
from best b
join judged j on j.caller_key = b.caller_key and j.role_key = b.role_key and j.rank = b.rank
group by b.caller_key, b.role_key, b.rank;

drop table assume_roles;
drop table assume_callers;
drop table assume_matches;
drop table assume_trusts;
drop table assume_pairs;
drop table assume_limits;
