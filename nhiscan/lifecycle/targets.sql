-- What a person's commands need to know of each wanted thing. A secret that is a credential of the inventory is told as that.
with wanted as (
    select unnest($kinds::varchar[]) as thing_kind, unnest($ids::varchar[]) as thing_id
),
seen as (
    select place_id as thing_id, credential_id from secret_places where credential_id is not null
    union
    select leak_id, credential_id from leak_facts where credential_id is not null
),
asked as (
    select w.thing_kind, w.thing_id, coalesce(s.credential_id, w.thing_id) as id
    from wanted w
    left join seen s on s.thing_id = w.thing_id and w.thing_kind = 'secret'
),
keys as (
    select identity_key, list(kind order by credential_id) as kinds, list(native_id order by credential_id) as native_ids
    from credential_facts
    where is_live is not false
    group by identity_key
)
select w.thing_kind, w.thing_id, i.provider, i.kind, i.name, i.native_id, null as region,
    i.kind as holder_kind, i.name as holder_name, i.native_id as holder_native_id, null as group_name, null as group_native_id,
    k.kinds, k.native_ids
from asked w
join identities i on i.identity_id = w.id
left join keys k on k.identity_key = i.identity_key
where w.thing_kind in ('identity', 'app')
union all
select w.thing_kind, w.thing_id, c.provider, c.kind, c.native_id, c.native_id, null, i.kind, i.name, i.native_id, null, null, null, null
from asked w
join credentials c on c.credential_id = w.id
join identities i on i.identity_key = c.identity_key
where w.thing_kind in ('credential', 'secret')
union all
select w.thing_kind, w.thing_id, i.provider, t.mechanism, t.principal, '', null, i.kind, i.name, i.native_id, null, null, null, null
from asked w
join trusts t on t.trust_id = w.id
join identities i on i.identity_key = t.identity_key
where w.thing_kind = 'trust'
union all
select w.thing_kind, w.thing_id, g.provider, g.source, g.principal, '', r.region,
    coalesce(r.kind, i.kind), coalesce(r.name, i.name), coalesce(r.native_id, i.native_id), null, null, null, null
from asked w
join grants g on g.grant_id = w.id
left join resources r on r.resource_key = g.resource_key
left join identities i on i.identity_key = g.identity_key
where w.thing_kind = 'grant'
union all
select w.thing_kind, w.thing_id, i.provider, g.kind, i.name, i.native_id, null, i.kind, i.name, i.native_id, g.name, g.native_id, null, null
from asked w
join identities i on i.identity_id = split_part(w.id, ' in ', 1)
join identities g on g.identity_id = split_part(w.id, ' in ', 2)
where w.thing_kind = 'membership'
union all
select w.thing_kind, w.thing_id, split_part(n.tenant_id, ':', 1), 'account', n.name, split_part(n.tenant_id, ':', 2), null,
    null, null, null, null, null, null, null
from asked w
join org_nodes n on n.node_id = w.id
where w.thing_kind = 'membership'
union all
select w.thing_kind, w.thing_id, r.provider, r.kind, r.name, r.native_id, r.region, null, null, null, null, null, null, null
from asked w
join resources r on r.resource_id = w.id
where w.thing_kind in ('secret', 'workload')
order by all
