-- seen, linked, labelled -> secret_doors: where a live credential lies in the open for whoever can read the place
create or replace temp table secret_doors as
with places as (
    select l.place_id, l.credential_key, l.identity_key, l.evidence
    from linked l
    union
    select g.place_id, g.credential_key, g.identity_key, g.evidence
    from labelled g
),
stored as (
    select r.resource_id as place_id, t.resource_key, t.kind
    from stored_secrets t
    join resources r on r.resource_key = t.resource_key
),
unread as (
    select i.identity_key, i.name
    from identities i
    where i.provider = 'aws'
        and starts_with(i.identity_id, i.tenant_id || ':user/')
        and i.tenant_id in (
            select tenant_id
            from coverage
            where dataset = 'credentials'
                and coalesce(original_status, status) in ('partial', 'denied', 'truncated', 'failed')
        )
),
found as (
    select p.identity_key, p.credential_key, p.evidence, s.resource_key, cast(null as bigint) as holder_key, 'store' as place,
        s.kind as stored_kind, 'definite' as certainty
    from places p
    join stored s on s.place_id = p.place_id
    union all
    select p.identity_key, p.credential_key, p.evidence, s.resource_key, s.identity_key, s.where_kind, null, 'definite'
    from places p
    join sightings s on s.sighting_id = p.place_id
    where s.provider <> 'files' -- who reads these is not in the inventory
        and s.kind not in (select id_kind from id_kinds)
    union all
    -- a role of a vault's AWS engine: whether AWS lets the vault assume it was not asked
    select i.identity_key, null, 'the vault hands out sessions of ' || i.native_id, t.resource_key, null, 'store', t.kind,
        'conditional'
    from stored_secrets t
    join resource_tags g on g.resource_key = t.resource_key and g.name = 'role_arns'
    join identities i on i.provider = 'aws' and list_contains(string_split(g.value, ','), i.native_id)
    where t.kind = 'aws_role'
    union all
    -- a key that is nobody's as far as is known, while the keys of some account were not read
    select u.identity_key, null, 'it may be a key of ' || u.name || ', whose keys were not read', s.resource_key, s.identity_key,
        s.where_kind, null, 'potential'
    from sightings s
    cross join unread u
    where s.provider <> 'files'
        and s.kind = 'aws_secret_access_key'
        and s.sighting_id not in (select place_id from linked)
)
select distinct
    f.identity_key as to_key,
    f.place,
    f.stored_kind,
    f.certainty,
    f.resource_key,
    coalesce(r.provider, h.provider) as provider,
    coalesce(r.tenant_id, h.tenant_id) as tenant_id,
    coalesce(r.kind, h.kind) as kind,
    coalesce(r.native_id, h.native_id) as native_id,
    r.region,
    coalesce(r.encrypted_at_rest, '') <> 'provider' as is_under_own_key,
    r.runs_as_key,
    case when r.resource_key is null then h.name else r.kind || ' ' || r.name end
        || case f.place when 'store' then '' else ', ' || replace(f.place, '_', ' ') end
        || ': ' || f.evidence as evidence
from found f
left join resources r on r.resource_key = f.resource_key
left join identities h on h.identity_key = f.holder_key
left join credentials c on c.credential_key = f.credential_key
where coalesce(r.resource_key, h.identity_key) is not null
    and coalesce(c.status, 'active') = 'active'
    and (c.expires_at is null or c.expires_at > (select coalesce(max(as_of), c.expires_at) from scans));
