-- sightings, stored_secrets, credentials, signs, trusts -> seen, seen_values, made_by, linked, doubted: which credential a value
-- is or belongs to, one row a place, or why none can be said; and labelled: stored secrets whose own label names the
-- credential that they hold. Two that fit are none: a wrong link is worse than no link.

-- Kinds that name a credential and open nothing alone, and the secrets that they stand beside
create or replace temp table id_kinds as
select *
from (
    values
        ('aws_access_key_id', 'aws_secret_access_key'),
        ('salesforce_consumer_key', 'salesforce_consumer_secret'),
        ('salesforce_consumer_key', 'salesforce_refresh_token'),
        ('vault_approle_role_id', 'vault_approle_secret_id')
) t(id_kind, secret_kind);

-- One row a sighting, and one a stored secret with a fingerprint
create or replace temp table seen as
select s.sighting_id as place_id,
    false as is_stored,
    s.kind not in (select id_kind from id_kinds) as is_secret,
    s.kind, s.where_kind, s.location, s.name, s.provider, s.tenant_id, s.resource_key, s.identity_key, s.native_id, s.fingerprint,
    case when starts_with(s.kind, 'aws_') then 'aws' else s.issuer end as issuer,
    s.issuer_tenant, s.line,
    case when s.where_kind in ('pipeline', 'repo_history') then 'repo' else s.where_kind end as text_kind
from sightings s
union all
select r.resource_id, true, true, t.kind, 'store', r.kind || ' ' || r.name, r.name, r.provider, r.tenant_id, t.resource_key,
    null, null, t.fingerprint, null, null, null, 'store'
from stored_secrets t
join resources r using (resource_key)
where t.fingerprint is not null;

-- Numbered by place, so that numbers say nothing about values
create or replace temp table seen_values as
select fingerprint, row_number() over (order by min(place_id)) as value_number
from seen
where fingerprint is not null
group by fingerprint;

create or replace temp table key_ids as
select p.place_id, p.resource_key, p.identity_key, p.text_kind, p.location, p.line, p.kind, p.native_id,
    regexp_replace(lower(coalesce(p.name, '')), '(access|secret|client|consumer|key|id|[^a-z0-9])+', '', 'g') as stem
from seen p
where not p.is_secret
    and p.native_id is not null;

-- A secret that carries no id: it belongs to the id of the same stem beside it if no other secret of that stem does, else to
-- the only one there if it is alone with it. In a file beside means a few lines away.
create or replace temp table paired as
with beside as (
    select p.place_id, p.fingerprint, k.native_id, p.text_kind, p.location, p.resource_key, p.identity_key,
        regexp_replace(lower(coalesce(p.name, '')), '(access|secret|client|consumer|key|id|[^a-z0-9])+', '', 'g') = k.stem
            as is_same_stem
    from seen p
    join id_kinds d on d.secret_kind = p.kind
    join key_ids k
        on k.kind = d.id_kind
        and k.text_kind = p.text_kind
        and k.location = p.location
        and k.resource_key is not distinct from p.resource_key
        and k.identity_key is not distinct from p.identity_key
    where p.native_id is null
        and (p.line is null or k.line is null or abs(p.line - k.line) <= 20)
),
claimed as (
    select *,
        dense_rank() over (beside_id order by fingerprint) + dense_rank() over (beside_id order by fingerprint desc) - 1
            as claimants,
        dense_rank() over (of_stem order by fingerprint) + dense_rank() over (of_stem order by fingerprint desc) - 1
            as claimants_of_stem
    from beside
    window beside_id as (partition by text_kind, location, resource_key, identity_key, native_id),
        of_stem as (partition by text_kind, location, resource_key, identity_key, native_id, is_same_stem)
)
select place_id,
    coalesce(
        case
            when count(distinct native_id) filter (is_same_stem) = 1 and max(claimants_of_stem) filter (is_same_stem) = 1
                then min(native_id) filter (is_same_stem)
        end,
        case when count(distinct native_id) = 1 and max(claimants) = 1 then min(native_id) end
    ) as native_id
from claimed
group by place_id;

-- What each value says of whose it is: an id in it or beside it
create or replace temp table ids as
select p.place_id, p.fingerprint, p.kind, p.issuer, p.native_id, p.issuer_tenant,
    case p.kind
        when 'aws_access_key_id' then 'the key id ' || p.native_id || ' is in the inventory'
        when 'aws_secret_access_key' then 'it stands beside the key id ' || p.native_id
    end as evidence,
    p.kind <> 'aws_secret_access_key' as is_own
from seen p
where p.native_id is not null
union all
select p.place_id, p.fingerprint, p.kind, p.issuer, a.native_id, p.issuer_tenant,
    'it stands beside the ' || case when p.kind = 'aws_secret_access_key' then 'key id ' else 'id ' end || a.native_id, false
from paired a
join seen p using (place_id)
where a.native_id is not null;

-- The account of an AWS access key stands in its id: in base 32, behind four letters, one bit for the make and forty for the
-- number. WithSecure Labs, "A bitwise analysis of AWS access key identifiers". Keys of the old make do not say it.
create or replace temp table key_accounts as
with signs as (
    select native_id, n,
        strpos('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', substr(native_id, 4 + n, 1)) - 1 as sign
    from (
        select distinct native_id
        from ids
        where issuer = 'aws'
            and regexp_matches(native_id, '^A[KS]IA[A-Z2-7]{16}$')
    )
    cross join range(1, 10) r(n)
),
numbers as (
    select native_id, cast(sum(sign << (5 * (9 - n))) as bigint) as bits
    from signs
    group by native_id
)
select native_id, lpad(cast((bits >> 4) & 1099511627775 as varchar), 12, '0') as account
from numbers
where bits >> 44 = 1
    and (bits >> 4) & 1099511627775 < 1000000000000;

-- Which account of its issuer each value is of, as far as it says so, in the words of tenants where the account is one
create or replace temp table made_by as
with said as (
    select p.place_id, p.issuer,
        case
            when k.account is not null then 'aws:' || k.account
            when p.issuer_tenant is null then g.project
            when p.issuer = 'salesforce' and regexp_matches(p.issuer_tenant, '^(salesforce:)?00D[A-Za-z0-9]{12}')
                then coalesce(o.tenant_id, 'salesforce:' || regexp_replace(p.issuer_tenant, '^salesforce:', ''))
            else coalesce(t.tenant_id, u.tenant_id, p.issuer_tenant)
        end as tenant_id
    from seen p
    left join ids i on i.place_id = p.place_id
    left join key_accounts k on k.native_id = i.native_id
    left join (
        select distinct native_id,
            'gcp:' || nullif(regexp_extract(lower(native_id), '@([a-z0-9\-]+)\.iam\.gserviceaccount\.com$', 1), '') as project
        from ids
    ) g on g.native_id = i.native_id
    left join tenants t on t.tenant_id = p.issuer_tenant
    left join tenants u on u.tenant_id = p.issuer || ':' || p.issuer_tenant
    left join (
        select left(split_part(tenant_id, ':', 2), 15) as org, min(tenant_id) as tenant_id
        from tenants
        where provider = 'salesforce'
        group by org
    ) o on o.org = left(regexp_replace(p.issuer_tenant, '^salesforce:', ''), 15)
)
select place_id, min(issuer) as issuer, case when count(distinct tenant_id) = 1 then min(tenant_id) end as tenant_id
from said
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
-- of any kind, by the id that this inventory gives it
select t.resource_key, r.resource_id, t.fingerprint, c.credential_key, c.identity_key,
    'its label ' || g.name || ' names ' || c.credential_id
from stored_secrets t
join resources r on r.resource_key = t.resource_key
join resource_tags g on g.resource_key = t.resource_key
join credentials c on c.credential_id = g.value
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
        and p.provider <> 'files'
        and regexp_matches(lower(p.name), '(vault|bao).*(token|secret)')
)
select v.place_id, v.fingerprint, c.credential_key, c.identity_key,
    'the label ' || g.name || ' beside it names ' || c.native_id as evidence
from vault_values v
join resource_tags g on g.resource_key = v.resource_key
join credentials c on c.native_id = g.value and c.kind in ('approle_secret', 'vault_token')
where v.values_here = 1
    and regexp_matches(lower(g.name), 'accessor');

create or replace temp table candidates as
with asked_subjects as (
    select t.identity_key, t.tenant_id, t.issuer, c.value as subject
    from trust_conditions c
    join trusts t using (trust_key)
    where c.operator in ('StringEquals', 'StringLike')
        and (c.name = 'sub' or ends_with(c.name, ':sub'))
        and not regexp_matches(c.value, '[*?]')
        and t.issuer is not null
),
found as (
    select i.place_id, i.fingerprint, i.is_own, i.evidence, c.credential_key, c.identity_key, c.provider, c.tenant_id
    from ids i
    join credentials c on c.native_id = i.native_id and c.provider = 'aws' and c.kind = 'access_key'
    where i.kind in ('aws_access_key_id', 'aws_secret_access_key')
    union all
    -- the password of Amazon SES has the key id for its user name
    select i.place_id, i.fingerprint, i.is_own, 'its user name is the key id ' || i.native_id, c.credential_key,
        c.identity_key, c.provider, c.tenant_id
    from ids i
    join credentials c on c.native_id = i.native_id and c.provider = 'aws' and c.kind = 'access_key'
    where i.kind = 'basic_auth_credentials'
    union all
    -- accessors of a vault, and record ids of other issuers, that stand in the value or beside it
    select i.place_id, i.fingerprint, i.is_own, 'it goes with ' || i.native_id || ', which is in the inventory',
        c.credential_key, c.identity_key, c.provider, c.tenant_id
    from ids i
    join credentials c on c.native_id = i.native_id and c.provider = i.issuer
    where c.kind in ('approle_secret', 'vault_token', 'oauth_token', 'api_key', 'app_password')
        and length(i.native_id) >= 15
    union all
    -- client ids, also of tokens by their claims
    select i.place_id, i.fingerprint, i.is_own,
        case when i.is_own then 'it names the client id ' || i.native_id else i.evidence || ', the client id of an app' end,
        null, a.identity_key, a.provider, a.tenant_id
    from ids i
    join signs g on g.kind = 'client_id' and g.value = i.native_id
    join identities a on a.identity_key = g.identity_key
    where a.provider = i.issuer
        or (i.kind = 'json_web_token' and length(i.native_id) >= 15)
    union all
    -- user ids of Salesforce in the claims of a token: 15 or 18 signs, perhaps behind uid:
    select i.place_id, i.fingerprint, true, 'it names the user ' || a.native_id, null, a.identity_key, a.provider, a.tenant_id
    from ids i
    join identities a on a.provider = 'salesforce' and left(a.native_id, 15) = left(regexp_replace(i.native_id, '^uid:', ''), 15)
    where i.kind = 'json_web_token'
        and regexp_matches(i.native_id, '^(uid:)?005[A-Za-z0-9]{12}([A-Za-z0-9]{3})?$')
    union all
    select i.place_id, i.fingerprint, true, 'it names ' || i.native_id, null, a.identity_key, a.provider, a.tenant_id
    from ids i
    join identities a on lower(a.mail) = lower(i.native_id)
    where i.kind in ('private_key', 'gcp_service_account_key')
    union all
    -- a token whose issuer and subject one of our trusts asks for, word for word; some say both as one id
    select i.place_id, i.fingerprint, true, 'the trust in ' || t.issuer || ' asks for its subject ' || t.subject, null,
        t.identity_key, split_part(t.tenant_id, ':', 1), t.tenant_id
    from asked_subjects t
    join (
        select place_id, fingerprint, rtrim(regexp_replace(issuer_tenant, '^https?://', ''), '/') as issuer,
            native_id as subject
        from ids
        where kind = 'json_web_token'
    ) i on i.issuer = t.issuer and i.subject = t.subject
    union all
    select i.place_id, i.fingerprint, true, 'the trust in ' || t.issuer || ' asks for its subject ' || t.subject, null,
        t.identity_key, split_part(t.tenant_id, ':', 1), t.tenant_id
    from asked_subjects t
    join (
        select place_id, fingerprint, regexp_replace(native_id, '^https?://', '') as named
        from ids
        where kind = 'json_web_token'
            and issuer_tenant is null
    ) i on i.named = t.issuer || '/' || t.subject
    union all
    -- user names of CodeCommit, <user>-at-<account>, which AWS makes for one IAM user
    select i.place_id, i.fingerprint, true, 'its user name ' || i.native_id || ' is that of an IAM user for CodeCommit',
        case when s.credentials = 1 then s.credential_key end, a.identity_key, a.provider, a.tenant_id
    from (
        select place_id, fingerprint, native_id, 'aws:' || right(native_id, 12) as tenant_id,
            unnest([left(native_id, -16), regexp_replace(left(native_id, -16), '\+\d+$', '')]) as user_name
        from ids
        where kind = 'basic_auth_credentials'
            and regexp_matches(native_id, '.-at-\d{12}$')
    ) i
    join identities a
        on a.tenant_id = i.tenant_id
        and a.name = i.user_name
        and starts_with(a.identity_id, a.tenant_id || ':user/')
    left join (
        select identity_key, min(credential_key) as credential_key, count(*) as credentials
        from credentials
        where provider = 'aws'
            and service = 'codecommit.amazonaws.com'
        group by identity_key
    ) s on s.identity_key = a.identity_key
    union all
    -- user names of Salesforce are its own everywhere
    select i.place_id, i.fingerprint, true, 'its user name at ' || i.issuer_tenant || ' is ' || i.native_id, c.credential_key,
        a.identity_key, a.provider, a.tenant_id
    from ids i
    join identities a
        on a.provider = 'salesforce'
        and a.kind <> 'group'
        and lower(a.name) = lower(i.native_id)
        and strpos(a.name, '@') > 0
    left join credentials c on c.identity_key = a.identity_key and c.kind = 'password'
    where i.kind = 'basic_auth_credentials'
        and regexp_matches(lower(i.issuer_tenant), '(^|\.)(salesforce|force)\.com$')
)
-- What names another account of the same issuer is not this one's. An id of a key is nobody else's, whatever it seems to say.
select f.place_id, f.fingerprint, f.is_own, f.evidence, f.credential_key, f.identity_key
from found f
left join made_by m using (place_id)
where f.provider = 'aws'
    or m.tenant_id is null
    or m.tenant_id = f.tenant_id
    or split_part(m.tenant_id, ':', 1) <> f.provider
union all
select g.place_id, g.fingerprint, false, g.evidence, g.credential_key, g.identity_key
from labelled g
where g.fingerprint is not null
union all
select b.place_id, b.fingerprint, false, b.evidence, b.credential_key, b.identity_key
from labelled_beside b;

create or replace temp table linked as
with by_place as (
    select place_id, any_value(fingerprint) as fingerprint, bool_and(is_own) as is_own, min(identity_key) as identity_key,
        case when count(distinct credential_key) = 1 then min(credential_key) end as credential_key, min(evidence) as evidence
    from candidates
    group by place_id
    having count(distinct identity_key) = 1
),
by_value as (
    select fingerprint, min(identity_key) as identity_key,
        case when count(distinct credential_key) = 1 then min(credential_key) end as credential_key,
        'an equal value elsewhere: ' || min(evidence) as evidence
    from candidates
    where fingerprint is not null
        -- people choose one password for several things: a user name stands for its own address only
        and place_id not in (select place_id from seen where kind = 'basic_auth_credentials')
    group by fingerprint
    having count(distinct identity_key) = 1
)
select p.place_id,
    coalesce(b.credential_key, v.credential_key) as credential_key,
    coalesce(b.identity_key, v.identity_key) as identity_key,
    coalesce(b.evidence, v.evidence) as evidence
from seen p
left join by_value v on v.fingerprint = p.fingerprint
-- what only stands beside an id is its secret unless an equal value says otherwise
left join by_place b on b.place_id = p.place_id and (b.is_own or b.fingerprint is null or v.fingerprint is not null)
where b.place_id is not null
    or v.fingerprint is not null;

-- Places where several fit, so that none is said
create or replace temp table doubted as
with fits as (
    select coalesce(fingerprint, place_id) as value,
        count(distinct identity_key) || ' identities fit, so none is said: '
            || string_agg(distinct evidence, '; ' order by evidence) as evidence
    from candidates
    group by value
    having count(distinct identity_key) > 1
)
select p.place_id, f.evidence
from seen p
join fits f on f.value = coalesce(p.fingerprint, p.place_id)
where p.place_id not in (select place_id from linked);
