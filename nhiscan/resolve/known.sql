-- readable, secret_places, leak_facts, access_edges -> known: secrets that a partner knows by having been able to read them. What is a
-- credential of its own is not among them: that is taken back as such.
create or replace temp table known as
with changed as (
    select t.resource_key, r.resource_id, r.name, r.provider, r.tenant_id,
        greatest(min(t.updated_at), min(t.rotated_at)) as changed_at,
        min(t.created_at) as created_at,
        max(t.last_used_at) as last_used_at
    from stored_secrets t
    join resources r using (resource_key)
    -- whoever reads a role of an engine gets a value of its own, which ends with its lease
    where not (ends_with(t.kind, '_role') and not ends_with(t.kind, '_static_role'))
        and r.kind <> 'secret_field'
    group by t.resource_key, r.resource_id, r.name, r.provider, r.tenant_id
),
stored as (
    select d.partner_id, d.resource_key, 'one of its identities could read it' as evidence
    from readable d
    union all
    select f.partner_id, f.resource_key, f.partner_evidence
    from resource_facts f
    where f.partner_id is not null
    union all
    select a.partner_id, g.resource_key, 'its policy lets ' || g.principal || ' in, of an ' || replace(a.kind, '_', ' ') || ' of the partner'
    from grant_names n
    join outside_names a on a.kind = n.kind and a.key = n.key
    join grants g on g.grant_id = n.grant_id
    where g.resource_key is not null
        and (a.our_tenant is null or a.our_tenant in (g.tenant_id, split_part(g.tenant_id, ':', 2)))
    union all
    select h.partner_id, g.resource_key, 'its policy lets ' || i.name || ' in: ' || h.evidence
    from holders h
    join grants g on g.identity_key = h.identity_key
    join identities i on i.identity_key = h.identity_key
    where g.resource_key is not null
        and h.relation not in ('disputed', 'suggested')
),
-- texts of ours, such as variables of a workload, that an identity of the partner reads
own_steps as (
    select e.from_key, e.to_key, e.resource_key
    from access_edges e
    where e.kind in ('can-read-secret-of', 'embeds-credential-of')
        and e.from_key in (select identity_key from holders)
),
read_texts as (
    select from_key as identity_key, to_key, resource_key
    from own_steps
    where to_key >= 0
    union
    select o.from_key, e.to_key, e.resource_key
    from own_steps o
    join access_edges e on e.from_key = o.to_key
    where o.to_key < 0
),
texts as (
    select h.partner_id, p.place_id, i.name || ' could read it: ' || h.evidence as evidence
    from read_texts t
    join holders h using (identity_key)
    join identities i on i.identity_key = h.identity_key
    join identities o on o.identity_key = t.to_key
    join resources r on r.resource_key = t.resource_key
    join secret_places p on p.resource_id = r.resource_id and p.identity_id = o.identity_id
    where p.where_kind <> 'store'
        and h.relation not in ('disputed', 'suggested')
    union all
    select p.partner_id, p.place_id, 'it stands in ' || p.location || ', which is the partner''s'
    from secret_places p
    where p.partner_id is not null
        and p.where_kind not in ('store', 'repo', 'pipeline', 'repo_history', 'file', 'shared')
),
places as (
    select s.partner_id, c.resource_id as place_id, c.name, c.provider, c.tenant_id, p.identity_id, p.credential_id,
        cast(null as boolean) as is_live, c.created_at, c.changed_at, c.last_used_at, s.evidence
    from stored s
    join changed c using (resource_key)
    left join secret_places p on p.place_id = c.resource_id
    union all
    select t.partner_id, p.place_id, p.kind || ' in ' || p.location, p.provider, p.tenant_id, p.identity_id, p.credential_id,
        null, null, null, null, t.evidence
    from texts t
    join secret_places p using (place_id)
    where p.is_secret
    union all
    select r.partner_id, l.leak_id, l.kind || ' in ' || r.name || coalesce(', ' || l.first_place, ''), r.provider, l.tenant_id,
        l.identity_id, l.credential_id, l.is_live, l.first_seen_at, null, l.last_used_at,
        'it stands in ' || r.name || ': ' || r.partner_evidence
    from leak_facts l
    join resource_facts r on r.resource_id = l.resource_id
    where r.partner_id is not null
        and not l.is_test
)
select p.partner_id, p.place_id,
    min(p.name) as name,
    min(p.provider) as provider,
    min(p.tenant_id) as tenant_id,
    min(i.identity_key) as identity_key,
    min(p.identity_id) as identity_id,
    min(p.credential_id) as credential_id,
    case
        when bool_or(c.is_live or p.is_live) then true
        when count(*) filter (c.is_live is null and p.is_live is null and i.is_enabled is not false) = 0 then false
    end as is_live,
    max(i.level) as level,
    min(p.created_at) as created_at,
    -- that of the value itself, where it is known which one it is
    coalesce(max(c.created_at), max(p.changed_at)) as rotated_at,
    max(coalesce(p.last_used_at, c.last_used_at)) as last_used_at,
    min(p.evidence) as evidence
from places p
left join credential_facts c on c.credential_id = p.credential_id
left join identity_facts i on i.identity_id = p.identity_id
left join holders h on h.identity_key = i.identity_key and h.partner_id = p.partner_id
where h.identity_key is null
    or h.relation in ('disputed', 'suggested')
group by p.partner_id, p.place_id
