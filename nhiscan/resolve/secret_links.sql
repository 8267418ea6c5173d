-- sightings, stored_secrets, credentials -> seen, seen_values and linked: which credential a value is or belongs to, one row
-- a place; and labelled: stored secrets whose own label names the credential that they hold.

-- One row a sighting, and one a stored secret with a fingerprint
create or replace temp table seen as
select s.sighting_id as place_id,
    false as is_stored,
    s.kind <> 'aws_access_key_id' as is_secret,
    s.kind, s.where_kind, s.location, s.name, s.provider, s.tenant_id, s.resource_key, s.identity_key, s.native_id, s.fingerprint
from sightings s
union all
select r.resource_id, true, true, t.kind, 'store', r.kind || ' ' || r.name, r.name, r.provider, r.tenant_id, t.resource_key,
    null, null, t.fingerprint
from stored_secrets t
join resources r using (resource_key)
where t.fingerprint is not null;

-- Numbered by place, so that numbers say nothing about values
create or replace temp table seen_values as
select fingerprint, row_number() over (order by min(place_id)) as value_number
from seen
group by fingerprint;

create or replace temp table key_ids as
select p.place_id, p.resource_key, p.identity_key, p.where_kind, p.location, p.native_id,
    regexp_replace(lower(coalesce(p.name, '')), '(access|secret|key|id|[^a-z0-9])+', '', 'g') as stem
from seen p
where p.kind = 'aws_access_key_id'
    and p.native_id is not null;

-- A secret access key carries no id: it belongs to the key id of the same stem beside it, else to the only one there.
create or replace temp table paired as
with beside as (
    select p.place_id, k.native_id,
        regexp_replace(lower(coalesce(p.name, '')), '(access|secret|key|id|[^a-z0-9])+', '', 'g') = k.stem as is_same_stem
    from seen p
    join key_ids k
        on k.where_kind = p.where_kind
        and k.location = p.location
        and k.resource_key is not distinct from p.resource_key
        and k.identity_key is not distinct from p.identity_key
    where p.kind = 'aws_secret_access_key'
)
select place_id,
    coalesce(
        case when count(distinct native_id) filter (is_same_stem) = 1 then min(native_id) filter (is_same_stem) end,
        case when count(distinct native_id) = 1 then min(native_id) end
    ) as native_id
from beside
group by place_id;

-- A person's word on the secret itself: the id of a credential, which nobody makes up, under a name that speaks of one.
create or replace temp table labelled as
select t.resource_key, r.resource_id as place_id, t.fingerprint, c.credential_key, c.identity_key,
    'its label ' || g.name || ' names ' || c.native_id as evidence
from stored_secrets t
join resources r on r.resource_key = t.resource_key
join resource_tags g on g.resource_key = t.resource_key
join credentials c on c.native_id = g.value and c.kind in ('access_key', 'approle_secret', 'vault_token')
where regexp_matches(lower(g.name), '(accessor|credential|access.?key|key.?id)')
union all
-- the id of an access key is itself seen, and hidden from the labels
select t.resource_key, r.resource_id, t.fingerprint, c.credential_key, c.identity_key,
    'its label ' || s.name || ' names ' || c.native_id
from stored_secrets t
join resources r on r.resource_key = t.resource_key
join sightings s on s.resource_key = t.resource_key and s.where_kind = 'tag' and s.kind = 'aws_access_key_id'
join credentials c on c.native_id = s.native_id and c.provider = 'aws' and c.kind = 'access_key';

-- The same on a workload whose text holds one token or secret id of a vault.
create or replace temp table labelled_beside as
with vault_values as (
    select p.place_id, p.fingerprint, p.resource_key,
        count(distinct p.fingerprint) over (partition by p.resource_key) as values_here
    from seen p
    where not p.is_stored
        and p.is_secret
        and regexp_matches(lower(p.name), '(vault|bao).*(token|secret)')
)
select v.place_id, v.fingerprint, c.credential_key, c.identity_key,
    'the label ' || g.name || ' beside it names ' || c.native_id as evidence
from vault_values v
join resource_tags g on g.resource_key = v.resource_key
join credentials c on c.native_id = g.value and c.kind in ('approle_secret', 'vault_token')
where v.values_here = 1
    and regexp_matches(lower(g.name), 'accessor');

create or replace temp table linked as
with by_place as (
    select p.place_id, p.fingerprint, c.credential_key, c.identity_key,
        'the key id ' || c.native_id || ' is in the inventory' as evidence
    from seen p
    join credentials c on c.native_id = p.native_id and c.provider = 'aws' and c.kind = 'access_key'
    where p.kind = 'aws_access_key_id'
    union all
    select p.place_id, p.fingerprint, c.credential_key, c.identity_key, 'it stands beside the key id ' || c.native_id
    from seen p
    join paired a using (place_id)
    join credentials c on c.native_id = a.native_id and c.provider = 'aws' and c.kind = 'access_key'
    union all
    select p.place_id, p.fingerprint, null, i.identity_key, 'it names ' || p.native_id
    from seen p
    join identities i on lower(i.mail) = lower(p.native_id)
    where p.kind = 'private_key'
    union all
    select g.place_id, g.fingerprint, g.credential_key, g.identity_key, g.evidence
    from labelled g
    where g.fingerprint is not null
    union all
    select b.place_id, b.fingerprint, b.credential_key, b.identity_key, b.evidence
    from labelled_beside b
),
by_value as (
    select fingerprint, min(credential_key) as credential_key, min(identity_key) as identity_key,
        'an equal value elsewhere: ' || min(evidence) as evidence
    from by_place
    group by fingerprint
    having count(distinct identity_key) = 1
        and count(distinct credential_key) <= 1
)
select p.place_id,
    coalesce(b.credential_key, v.credential_key) as credential_key,
    coalesce(b.identity_key, v.identity_key) as identity_key,
    coalesce(b.evidence, v.evidence) as evidence
from seen p
left join (
    select place_id, min(credential_key) as credential_key, min(identity_key) as identity_key, min(evidence) as evidence
    from by_place
    group by place_id
    having count(distinct identity_key) = 1
) b using (place_id)
left join by_value v on v.fingerprint = p.fingerprint
where b.place_id is not null
    or v.fingerprint is not null;
