-- Every claim that a partner stands behind an identity, but likeness. rank: strength, so that equals can be told from weaker ones.
-- fact: what the claim is about; several partners may be true about several facts, never about one.

-- where a holder shows: a trusted account or token, the id of an app, a path, an address
create or replace temp table holdings as
select t.identity_key, a.kind, a.key, 'its trust policy lets account ' || t.account || ' in' as seen
from trusts t
join alias_keys a on a.kind = 'aws_account' and a.key = t.account
where t.principal_kind in ('any', 'account', 'identity')
    and t.account not in (select account from our_accounts)
union
select t.identity_key, a.kind, a.key, 'its trust policy is narrowed to account ' || c.value
from trusts t
join trust_conditions c using (trust_key)
join alias_keys a on a.kind = 'aws_account' and a.key = c.value
where t.principal_kind = 'any'
    and t.account is null
    and lower(c.name) = 'aws:principalaccount'
    and c.operator not ilike '%not%'
    and c.value not in (select account from our_accounts)
union
select t.identity_key, a.kind, a.key, 'it accepts tokens of ' || c.value
from trusts t
join trust_conditions c using (trust_key)
join alias_keys a
    on a.kind = 'github_org'
    and a.key = lower(regexp_extract(
        c.value, case when c.name ilike '%:sub' then '^repo:([^/@*?]+)[/@]' else '^([^/@*?]+)/' end, 1
    ))
where t.principal_kind = 'oidc'
    and (c.name ilike '%:sub' or c.name ilike '%:repository')
    and c.operator not ilike '%not%'
union
select t.identity_key, a.kind, a.key, 'it accepts tokens of issuer ' || t.issuer
from trusts t
join alias_keys a
    on a.kind = 'entra_tenant'
    and a.key = lower(regexp_extract(t.issuer, '[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}'))
where t.principal_kind = 'oidc'
union
select t.identity_key, a.kind, a.key, 'it accepts tokens for client ' || c.value
from trusts t
join trust_conditions c using (trust_key)
join alias_keys a on a.kind = 'client_id' and a.key = c.value
where t.principal_kind = 'oidc'
    and c.name ilike '%:aud'
    and c.operator not ilike '%not%'
union
select i.identity_key, a.kind, a.key, 'its id is ' || i.native_id
from identities i
join alias_keys a on a.kind = 'client_id' and a.key = i.native_id
union
select c.identity_key, a.kind, a.key, 'it holds the credential ' || c.native_id
from credentials c
join alias_keys a on a.kind = 'client_id' and a.key = c.native_id
union
select p.identity_key, a.kind, a.key, 'it lies under ' || p.path
from (
    select identity_key, array_to_string(parts[1:unnest(range(1, len(parts) + 1))], '/') as path
    from (
        select identity_key, string_split(trim(unnest([native_id, name]), '/'), '/') as parts
        from identities
        where provider = 'vault'
    )
) p
join alias_keys a on a.kind = 'vault_path' and a.key = p.path
union
select i.identity_key, a.kind, a.key, 'its address is ' || i.mail
from identities i
join alias_keys a on a.kind = 'mail' and a.key = lower(trim(i.mail));

-- addresses that the provider keeps with an identity
create or replace temp table addresses as
with texts as (
    select identity_key, mail as text, 'its address' as place
    from identities
    where mail like '%@%'
    union all
    select identity_key, name, 'its name'
    from identities
    where name like '%@%'
    union all
    select identity_key, value, 'its tag ' || name
    from tags
    where name in (select name from address_tags)
        and value like '%@%'
)
select t.identity_key, a.address, t.place
from texts t
join (
    select text, rtrim(regexp_extract(lower(text), '[^\s<>,;:"()]+@[^\s<>,;:"()@]+'), '.') as address
    from (select distinct text from texts)
) a using (text)
where a.address <> ''
union all
-- a publisher that is called by its domain
select identity_key, lower(trim(value)), 'its publisher'
from signs
where kind = 'publisher'
    and regexp_full_match(trim(value), '[^\s@/:]+\.[^\s@/:.]+');

-- one row an address that a person has or had; a present address beats a former one
create or replace temp table person_addresses as
with listed as (
    select lower(trim(mail)) as address, mail, coalesce(side, case when partner_id <> '' then 'partner' end) as side,
        partner_id, register_row, true as is_present
    from people
    union
    select lower(trim(o.old_mail)), p.mail, coalesce(p.side, case when p.partner_id <> '' then 'partner' end),
        p.partner_id, p.register_row, false
    from person_mails o
    join people p on lower(trim(p.mail)) = lower(trim(o.mail))
)
select *
from listed l
where is_present
    or not exists (select 1 from people p where lower(trim(p.mail)) = l.address);

create or replace temp table claims as
select d.identity_key, d.partner_id, 'identity_map' as source,
    case when d.is_exact then 6 else 5 end as rank,
    'decision' as fact,
    case when d.role in ('operator', 'beneficiary', 'vendor') then d.role end as role,
    'decided' || coalesce(' by ' || d.decided_by, '') || ': ' || d.pattern as evidence,
    1.0::double as confidence,
    d.register_row
from decisions d
where d.partner_id in (select partner_id from partners)
union
select h.identity_key, a.partner_id, 'alias', 4,
    h.kind || ' ' || h.key, null,
    h.seen || ', ' || case when h.kind in ('aws_account', 'entra_tenant') then 'an ' else 'a ' end || h.kind || ' of the partner',
    0.95, a.register_row
from holdings h
join identities i using (identity_key)
join alias_keys a on a.kind = h.kind and a.key = h.key
where i.kind not in ('group', 'entity')
    and (a.our_tenant is null or a.our_tenant in (i.tenant_id, split_part(i.tenant_id, ':', 2)))
union
select g.identity_key, v.partner_id, 'alias', 4,
    g.kind || ' ' || g.value, null,
    case g.kind
        when 'salesforce_account' then 'it belongs to account ' || g.value
        when 'hubspot_company' then 'it belongs to company ' || g.value
        when 'publisher' then 'its publisher is ' || g.value
        else 'its ' || replace(g.kind, '_', ' ') || ' is ' || g.value
    end || ', a ' || g.kind || ' of the partner',
    0.95, v.register_row
from signs g
join sign_values v on v.kind = g.kind and v.value = g.value
join identities i using (identity_key)
where i.kind not in ('group', 'entity')
    and (v.our_tenant is null or v.our_tenant in (i.tenant_id, split_part(i.tenant_id, ':', 2)))
union
select t.identity_key, v.partner_id, 'tag', 3, 'tag', null,
    'tag ' || t.name || ' = "' || t.value || '" is the partner''s ' || v.what,
    0.9, v.register_row
from tags t
join tag_values v on v.value = t.value
join identities i using (identity_key)
where t.name in (select name from partner_tags)
    and i.kind not in ('group', 'entity')
    and (v.our_tenant is null or v.our_tenant in (i.tenant_id, split_part(i.tenant_id, ':', 2)))
union
select a.identity_key, p.partner_id, 'people', 2, 'person', null,
    a.place || ' ' || a.address || ' belongs to a person of the partner'
        || case when p.is_present then '' else ' (now ' || p.mail || ')' end,
    0.85, p.register_row
from addresses a
join person_addresses p on p.address = a.address
join identities i using (identity_key)
where p.side = 'partner'
    and p.partner_id in (select partner_id from partners)
    and i.kind not in ('group', 'entity')
union
select a.identity_key, k.partner_id, 'mail_domain', 1, 'mail domain', null,
    a.place || ' ' || a.address || ' lies in the partner''s domain ' || k.key,
    0.8, k.register_row
from addresses a
join alias_keys k on k.kind = 'mail_domain' and k.key = split_part(a.address, '@', -1)
join identities i using (identity_key)
where i.kind not in ('group', 'entity')
    and (k.our_tenant is null or k.our_tenant in (i.tenant_id, split_part(i.tenant_id, ':', 2)))
    and k.key not in (select domain from shared_domains)
    and not exists (
        select 1
        from company c
        where c.kind = 'mail_domain'
            and (k.key = lower(c.value) or ends_with(k.key, '.' || lower(c.value)))
    )
    -- somebody of ours with an address there is still ours
    and not exists (select 1 from person_addresses p where p.address = a.address and p.side = 'ours')
