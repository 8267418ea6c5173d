-- Every policy that has a say about an AWS identity and speaks of networks: its own and its groups', its boundary, and the
-- service control policies above its account, which do not hold in the organization's management account.
create or replace temp table network_bounds as
with recursive above (tenant_id, node_id) as (
    select tenant_id, node_id
    from org_nodes
    where kind = 'account'
        and tenant_id not in (select tenant_id from org_nodes where kind = 'root')
    union
    select a.tenant_id, n.parent_id
    from above a
    join org_nodes n on n.node_id = a.node_id
    where n.parent_id is not null
),
organization as (
    select a.tenant_id,
        bool_or(p.bond = 'denies') as is_denied
    from above a
    join org_policies o on o.node_id = a.node_id
    join policies d on d.policy_key = o.policy_key and d.kind = 'scp'
    join network_policies p on p.policy_key = o.policy_key
    group by a.tenant_id
),
speaking as (
    select distinct b.identity_key
    from policy_bindings b
    join network_policies p on p.policy_key = b.policy_key
    where b.role in ('identity', 'boundary')
),
concerned as (
    select s.identity_key
    from speaking s
    union
    select m.identity_key
    from memberships m
    join speaking s on s.identity_key = m.group_key
),
held as (
    select c.identity_key, b.policy_key, b.role
    from concerned c
    join policy_bindings b using (identity_key)
    where b.role in ('identity', 'boundary')
    union all
    select c.identity_key, b.policy_key, b.role
    from concerned c
    join memberships m using (identity_key)
    join policy_bindings b on b.identity_key = m.group_key and b.role = 'identity'
),
own as (
    select h.identity_key,
        bool_or(p.bond = 'denies')
        or bool_or(h.role = 'boundary' and p.bond = 'allows')
        or bool_and(coalesce(p.bond, '') = 'allows') filter (h.role = 'identity') as is_bound
    from held h
    left join network_policies p using (policy_key)
    group by h.identity_key
)
select i.identity_key,
    nullif(coalesce(o.is_bound, false) or coalesce(g.is_denied, false), false) as is_bound
from identities i
left join own o using (identity_key)
left join organization g on g.tenant_id = i.tenant_id
where i.provider = 'aws'
    and i.kind <> 'group'
    and (o.identity_key is not null or g.tenant_id is not null);

drop table network_policies
