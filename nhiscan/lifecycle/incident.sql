-- Every credential and trust of the meant partners, apps and outside accounts that opens something or may: one row a thing.
with tokens as (
    select t.*, rtrim(regexp_replace(lower(t.issuer), '^https?://', ''), '/') as short_issuer
    from trusts t
    where t.issuer <> ''
),
outside as (
    select * from integration_facts where integration_id in (select unnest($integrations::varchar[]))
),
apps as (
    select identity_key, identity_id, name, provider, tenant_id, is_installed, created_at, last_used_at
    from identities
    where identity_id in (select unnest($apps::varchar[]))
),
things as (
    select thing_kind, thing_id, identity_key, name, provider, tenant_id, relation, action, is_live, level, created_at, rotated_at,
        last_used_at, evidence, 1 as rank, credential_id
    from partner_holdings
    where partner_id in (select unnest($partners::varchar[]))
        and thing_kind <> 'membership'
    union all
    select 'app', a.identity_id, a.identity_key, a.name, a.provider, a.tenant_id, 'vendor', 'close_integration',
        f.has_access, coalesce(p.level, f.level), a.created_at, null, a.last_used_at, 'the app itself', 2, null
    from apps a
    left join identity_facts f on f.identity_key = a.identity_key
    left join app_facts p on p.identity_key = a.identity_key
    union all
    select 'credential', c.credential_id, c.identity_key, c.kind || ' ' || c.native_id, c.provider, c.tenant_id, 'vendor',
        'revoke_access', f.is_live, f.level, c.created_at, null, c.last_used_at,
        a.name || ' holds it and acts with it as ' || i.name, 2, null
    from apps a
    join credentials c on c.app_key = a.identity_key or c.identity_key = a.identity_key
    join identities i on i.identity_key = c.identity_key
    left join credential_facts f on f.credential_id = c.credential_id
    union all
    select 'trust', t.trust_id, t.identity_key, i.name || ' trusts ' || t.principal, i.provider, t.tenant_id, 'vendor',
        'remove_delegation', i.status = 'enabled', null, null, null, i.last_used_at, 'it lets ' || o.name || ' in', 2, null
    from outside o
    join trusts t on t.tenant_id = o.tenant_id and t.account = o.name
    join identities i on i.identity_key = t.identity_key
    where o.kind = 'account'
    union all
    select 'grant', g.grant_id, g.identity_key, coalesce(r.name, g.tenant_id) || ' grants ' || left(g.permission, 120), g.provider,
        g.tenant_id, 'vendor', 'remove_delegation', true, null, g.granted_at, null, g.last_used_at, 'it lets ' || o.name || ' in', 2, null
    from outside o
    join grants g on g.tenant_id = o.tenant_id and g.account = o.name
    left join resources r on r.resource_key = g.resource_key
    where o.kind = 'account'
    union all
    select 'trust', t.trust_id, t.identity_key, i.name || ' trusts ' || t.principal, i.provider, t.tenant_id, 'vendor',
        'remove_delegation', i.status = 'enabled', null, null, null, i.last_used_at, 'it accepts tokens of ' || o.name, 2, null
    from outside o
    join tokens t on t.tenant_id = o.tenant_id
    join identities i on i.identity_key = t.identity_key
    where o.kind = 'app'
        and (
            o.name = t.short_issuer
            or o.name in (
                select c.value from trust_conditions c where c.trust_key = t.trust_key and c.name ilike '%:aud'
            )
            or lower(o.name) in (
                select t.short_issuer || '/' || coalesce(
                    nullif(lower(regexp_extract(c.value, '^repo:([^/@*?]+)[/@]', 1)), ''),
                    lower(regexp_extract(c.value, '^([^/@*?]+)/', 1))
                )
                from trust_conditions c
                where c.trust_key = t.trust_key and (c.name ilike '%:sub' or c.name ilike '%:repository')
            )
        )
),
held as (
    select thing_kind, thing_id,
        arg_min(identity_key, rank) as identity_key, arg_min(name, rank) as name, arg_min(provider, rank) as provider,
        arg_min(tenant_id, rank) as tenant_id, arg_min(relation, (rank, relation)) as relation, arg_min(action, rank) as action,
        case when bool_or(is_live) then true when count(*) = count(is_live) then false end as is_live,
        max(level) as level, min(created_at) as created_at, max(rotated_at) as rotated_at, max(last_used_at) as last_used_at,
        arg_min(evidence, (rank, evidence)) as evidence, min(credential_id) as credential_id
    from things
    group by thing_kind, thing_id
),
-- identities by which others are made or become one's own
makers as (
    select identity_key
    from privileges
    where certainty = 'definite'
        and verb in ('admin', 'escalate', 'manage-policy', 'manage-trust', 'manage-identity', 'impersonate', 'delegate', 'read-secret')
    union
    select from_key
    from access_edges
    where certainty = 'definite' and kind in ('token-create', 'may-change', 'can-read-secret-of')
),
sensitive as (
    select identity_key from reach where goal = 'sensitive' and certainty = 'definite'
),
customers as (
    select distinct a.identity_key
    from record_access a
    join data_objects d on d.resource_key = a.resource_key
    join resources r on r.resource_key = d.resource_key
    join classifications c
        on lower(c.object) = lower(d.object) and lower(c.system) in (lower(r.provider), lower(r.tenant_id))
    where c.classification in ('customer', 'regulated') and (a.can_read or a.can_write)
),
-- a value, wherever it stands: copies of it and things of others that hold it
places as (
    select p.place_id, p.credential_id, p.location, p.value_number, coalesce(p.holder_id, p.place_id) as holder
    from secret_places p
),
copies as (
    select h.thing_kind, h.thing_id, string_agg(distinct o.location, '; ' order by o.location) as locations
    from held h
    join places m on m.place_id = h.thing_id or (h.thing_kind = 'credential' and m.credential_id = h.thing_id)
    join places o on o.value_number = m.value_number or (m.credential_id is not null and o.credential_id = m.credential_id)
    where o.place_id <> h.thing_id
    group by h.thing_kind, h.thing_id
),
others as (
    select h.thing_kind, h.thing_id, string_agg(distinct p.name, ', ' order by p.name) as partners
    from held h
    join partner_holdings o on o.thing_kind = h.thing_kind and o.thing_id = h.thing_id
    join partners p on p.partner_id = o.partner_id
    where o.partner_id not in (select unnest($partners::varchar[])) and o.relation <> 'suggested'
    group by h.thing_kind, h.thing_id
),
networks as (
    select credential_id, string_agg(network || coalesce(' ' || program, ''), ', ' order by uses desc, network, program) as sources
    from credential_sources
    group by credential_id
),
events as (
    select u.credential_id, null as identity_id, count(*) as uses
    from usage u
    where u.occurred_at >= $since and u.credential_id is not null
    group by u.credential_id
    union all
    select null, u.identity_id, count(*)
    from usage u
    where u.occurred_at >= $since
    group by u.identity_id
)
select h.thing_kind, h.thing_id, h.name, h.provider, h.tenant_id, h.relation, h.action, h.evidence,
    i.identity_id, i.name as identity_name, h.is_live, coalesce(h.level, f.level) as level, f.level_high,
    f.is_admin, f.admin_hops, m.identity_key is not null as makes_others, s.identity_key is not null as reaches_sensitive,
    coalesce(f.environment, t.environment) = 'prod' as is_production,
    k.identity_key is not null as reads_customer_data,
    coalesce(c.created_at, h.created_at) as created_at, h.rotated_at,
    coalesce(c.last_used_at, h.last_used_at) as last_used_at,
    case when h.thing_kind = 'credential' then coalesce(c.last_used_known, false) else coalesce(i.last_used_known, false) end
        as last_used_known,
    coalesce(c.last_used_source, i.last_used_source) as last_used_source,
    coalesce(e.uses, 0) as events_since, n.sources,
    coalesce(f.owner_mail, p.owner_mail) as owner_mail, f.owner_status, o.locations, x.partners as other_partners,
    h.credential_id
from held h
left join identities i on i.identity_key = h.identity_key
left join identity_facts f on f.identity_key = h.identity_key
left join credentials c on c.credential_id = h.thing_id and h.thing_kind = 'credential'
left join makers m on m.identity_key = h.identity_key
left join sensitive s on s.identity_key = h.identity_key
left join customers k on k.identity_key = h.identity_key
left join company t on t.kind = 'tenant' and t.value = h.tenant_id
left join events e on e.credential_id = h.thing_id or (h.thing_kind <> 'credential' and e.identity_id = i.identity_id)
left join networks n on n.credential_id = h.thing_id
left join (select partner_id, business_owner as owner_mail from partner_facts) p
    on p.partner_id = (select min(unnested) from (select unnest($partners::varchar[]) as unnested))
left join copies o on o.thing_kind = h.thing_kind and o.thing_id = h.thing_id
left join others x on x.thing_kind = h.thing_kind and x.thing_id = h.thing_id
