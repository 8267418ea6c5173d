-- Who has which policies of a vault: vault_bound (identity_key, policy_key, via_key), through entities and groups as well;
-- vault_holders (identity_key, combination, entity_key) and vault_combinations, each distinct list of policies once.
create or replace temp table vault_above as
with recursive above as (
    select i.identity_key, i.identity_key as above_key
    from identities i
    where i.provider = 'vault'
        and i.kind not in ('group', 'entity')
    union
    select a.identity_key, m.group_key
    from above a
    join memberships m on m.identity_key = a.above_key
)
select *
from above;

create or replace temp table vault_bound as
select
    a.identity_key,
    b.policy_key,
    case when bool_or(a.above_key = a.identity_key) then null else min(a.above_key) end as via_key
from vault_above a
join policy_bindings b on b.identity_key = a.above_key and b.role = 'identity'
group by a.identity_key, b.policy_key;

create or replace temp table vault_held as
with entities as (
    select
        a.identity_key,
        count(*) as entities,
        min(a.above_key) as entity_key
    from vault_above a
    join identities e on e.identity_key = a.above_key and e.kind = 'entity'
    group by a.identity_key
),
held as (
    select b.identity_key, list_sort(list(b.policy_key)) as policies
    from vault_bound b
    group by b.identity_key
)
select
    i.identity_key,
    i.tenant_id,
    -- a token without an entity has none; a role or user gets one at its first login
    case when e.entities > 0 then 'known' when i.kind = 'token' then 'none' else 'unknown' end as entity,
    case when e.entities = 1 then e.entity_key end as entity_key,
    coalesce(h.policies, []) as policies
from identities i
left join entities e on e.identity_key = i.identity_key
left join held h on h.identity_key = i.identity_key
where i.provider = 'vault'
    and i.kind not in ('group', 'entity');

create or replace temp table vault_combinations as
select
    row_number() over (order by tenant_id, entity, policies) as combination,
    tenant_id,
    entity,
    policies
from (select distinct tenant_id, entity, policies from vault_held);

create or replace temp table vault_holders as
select h.identity_key, c.combination, h.entity_key
from vault_held h
join vault_combinations c
    on c.tenant_id = h.tenant_id
    and c.entity = h.entity
    and c.policies = h.policies;

drop table vault_above;
drop table vault_held;
