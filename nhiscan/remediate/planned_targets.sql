-- What adapters need to know of each wanted thing, and what decides who has to agree. A secret that is a credential of the
-- inventory is told as that credential.
with wanted as (
    select unnest($kinds::varchar[]) as asked_kind, unnest($ids::varchar[]) as asked_id
),
seen as (
    select place_id as thing_id, credential_id from secret_places where credential_id is not null
    union
    select leak_id, credential_id from leak_facts where credential_id is not null
),
asked as (
    select distinct
        w.asked_kind,
        w.asked_id,
        case when s.credential_id is not null then 'credential' else w.asked_kind end as thing_kind,
        coalesce(s.credential_id, w.asked_id) as thing_id
    from wanted w
    left join seen s on s.thing_id = w.asked_id and w.asked_kind = 'secret'
),
told as (
    select a.*, i.tenant_id, i.provider, i.kind, i.name, i.native_id, null as region, null as holder_kind, null as holder_name,
        null as holder_native_id, null as group_name, null as group_native_id, null as principal,
        i.identity_key, null::bigint as resource_key
    from asked a
    join identities i on i.identity_id = a.thing_id
    where a.thing_kind in ('identity', 'app')
    union all
    select a.*, c.tenant_id, c.provider, c.kind, c.native_id, c.native_id, null, i.kind, i.name, i.native_id, null, null, null,
        c.identity_key, null
    from asked a
    join credentials c on c.credential_id = a.thing_id
    left join identities i on i.identity_key = c.identity_key
    where a.thing_kind = 'credential'
    union all
    select a.*, t.tenant_id, i.provider, t.mechanism, t.principal, null, null, i.kind, i.name, i.native_id, null, null, t.principal,
        t.identity_key, null
    from asked a
    join trusts t on t.trust_id = a.thing_id
    join identities i on i.identity_key = t.identity_key
    where a.thing_kind = 'trust'
    union all
    select a.*, g.tenant_id, g.provider, g.source, g.principal, null, r.region, coalesce(r.kind, i.kind), coalesce(r.name, i.name),
        coalesce(r.native_id, i.native_id), null, null, g.principal, g.identity_key, g.resource_key
    from asked a
    join grants g on g.grant_id = a.thing_id
    left join resources r on r.resource_key = g.resource_key
    left join identities i on i.identity_key = g.identity_key
    where a.thing_kind = 'grant'
    union all
    select a.*, i.tenant_id, i.provider, g.kind, i.name, i.native_id, null, i.kind, i.name, i.native_id, g.name, g.native_id, null,
        i.identity_key, null
    from asked a
    join identities i on i.identity_id = split_part(a.thing_id, ' in ', 1)
    join identities g on g.identity_id = split_part(a.thing_id, ' in ', 2)
    where a.thing_kind = 'membership'
    union all
    select a.*, r.tenant_id, r.provider, r.kind, r.name, r.native_id, r.region, null, null, null, null, null, null,
        null, r.resource_key
    from asked a
    join resources r on r.resource_id = a.thing_id
    where a.thing_kind = 'secret'
        and r.kind in ('secret', 'parameter', 'secret_field')
),
-- whom the value of a stored secret lets somebody be
led as (
    select place_id, min(identity_id) as identity_id
    from secret_places
    where identity_id is not null
    group by place_id
    having count(distinct identity_id) = 1
)
select
    t.asked_kind, t.asked_id, t.thing_kind, t.thing_id, t.tenant_id, t.provider, t.kind, t.name, t.native_id, t.region,
    t.holder_kind, t.holder_name, t.holder_native_id, t.group_name, t.group_native_id, t.principal,
    coalesce(t.identity_key, l.identity_key) as identity_key,
    t.resource_key,
    exists (
        select 1 from identity_partners p
        where p.identity_key = coalesce(t.identity_key, l.identity_key) and p.verdict in ('asserted', 'conflict')
    ) or exists (
        select 1 from partner_holdings h
        where h.thing_id in (t.thing_id, t.asked_id) and h.relation <> 'suggested'
    ) or exists (
        select 1 from resource_facts r
        where r.resource_key = t.resource_key and r.partner_id is not null
    ) as is_partner_owned,
    f.level,
    f.is_admin
from told t
left join led on led.place_id = t.thing_id and t.thing_kind = 'secret'
left join identities l on l.identity_id = led.identity_id
left join identity_facts f on f.identity_key = coalesce(t.identity_key, l.identity_key)
order by all
