-- identities -> aws_holders (identity_key, combination); aws_combinations holds each distinct combination once, as a
-- sorted list of numbers of aws_bindings: a binding is a policy with its role and the group it came through. Limits 0:
-- none, such as of a service-linked role.
create or replace temp table aws_bound as
with wanted as (
    $wanted
),
own as (
    select b.identity_key, b.policy_key, cast(null as bigint) as via_key, b.role
    from policy_bindings b
    where b.role in ('identity', 'boundary')
),
of_groups as (
    select m.identity_key, b.policy_key, m.group_key as via_key, b.role
    from memberships m
    join policy_bindings b on b.identity_key = m.group_key and b.role = 'identity'
)
select w.identity_key, b.policy_key, b.via_key, b.role
from wanted w
join (select * from own union all select * from of_groups) b on b.identity_key = w.identity_key;

create or replace temp table aws_bindings as
select row_number() over (order by role, policy_key, via_key nulls first) as binding, role, policy_key, via_key
from (select distinct role, policy_key, via_key from aws_bound);

create or replace temp table aws_held as
with wanted as (
    $wanted
),
held as (
    select b.identity_key, list_sort(list(n.binding)) as bindings
    from aws_bound b
    join aws_bindings n
      on n.role = b.role
     and n.policy_key = b.policy_key
     and n.via_key is not distinct from b.via_key
    group by b.identity_key
),
selves as (
    select distinct b.identity_key
    from aws_named n
    join identities i on i.identity_id = n.identity_id
    join aws_bound b on b.policy_key = n.policy_key and b.identity_key = i.identity_key
)
select i.identity_key,
       starts_with(i.identity_id, i.tenant_id || ':user/') as is_user,
       i.identity_id = i.tenant_id || ':root' as is_root,
       case when s.identity_key is not null then substr(i.identity_id, 5) end as own,
       case when starts_with(i.identity_id, i.tenant_id || ':role/aws-service-role/') then 0 else l.limits end
           as limits,
       coalesce(h.bindings, []) as bindings
from wanted w
join identities i on i.identity_key = w.identity_key
join aws_limited l on l.tenant_id = i.tenant_id
left join held h on h.identity_key = i.identity_key
left join selves s on s.identity_key = i.identity_key;

create or replace temp table aws_combinations as
select row_number() over (order by is_user, is_root, own, limits, bindings) as combination, is_user, is_root, own, limits, bindings
from (select distinct is_user, is_root, own, limits, bindings from aws_held);

create or replace temp table aws_holders as
select h.identity_key, c.combination
from aws_held h
join aws_combinations c
  on c.is_user = h.is_user
 and c.is_root = h.is_root
 and c.own is not distinct from h.own
 and c.limits = h.limits
 and c.bindings = h.bindings;

drop table aws_bound;
drop table aws_held;
