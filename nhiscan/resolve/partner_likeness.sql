-- Names and tag values that contain a partner's name as whole words, written together or apart.
-- Only places where a partner's name begins are looked at further: a million names are never joined with all partners.

create or replace temp macro words_of(text) as regexp_extract_all(
    strip_accents(lower(replace(regexp_replace(text, '([\p{Ll}\d])(\p{Lu})', '\1 \2', 'g'), 'ß', 'ss'))),
    '\p{L}+|\d+'
);

create or replace temp table like_names as
with starts as (
    select identity_key, words, generate_subscripts(words, 1) as position, unnest(words) as word
    from (
        select identity_key, words_of(name) as words
        from identities
        where not coalesce(is_provider_owned, false)
    )
),
runs as (
    select identity_key, array_to_string(words[position:position + unnest([0, 1, 2, 3, 4])], '') as run
    from starts
    where word in (select prefix from likeness_keys)
)
select distinct r.identity_key, k.partner_id, k.name, k.register_row
from runs r
join likeness_keys k on k.key = r.run;

-- what the CRM calls the accounts that identities belong to
create or replace temp table like_accounts as
with called as (
    select distinct tenant_id, account_id, name
    from partner_accounts
),
starts as (
    select tenant_id, account_id, name, words, generate_subscripts(words, 1) as position, unnest(words) as word
    from (
        select *, words_of(name) as words
        from called
    )
),
runs as (
    select tenant_id, account_id, name, array_to_string(words[position:position + unnest([0, 1, 2, 3, 4])], '') as run
    from starts
    where word in (select prefix from likeness_keys)
)
select distinct r.tenant_id, r.account_id, r.name as account, k.partner_id, k.name, k.register_row
from runs r
join likeness_keys k on k.key = r.run;

create or replace temp table like_values as
with starts as (
    select value, words, generate_subscripts(words, 1) as position, unnest(words) as word
    from (
        select value, words_of(value) as words
        from (select distinct value from tags)
    )
),
runs as (
    select value, array_to_string(words[position:position + unnest([0, 1, 2, 3, 4])], '') as run
    from starts
    where word in (select prefix from likeness_keys)
)
select distinct r.value, k.partner_id, k.name, k.register_row
from runs r
join likeness_keys k on k.key = r.run;

-- A group or entity that bears a partner's name is nobody's account; whoever is in it, through whatever else is in it, may be the
-- partner's. Somebody of ours who looks after the partner is not.
create or replace temp table grouped as
with recursive named as (
    select l.identity_key, l.partner_id, 'whose name contains "' || l.name || '"' as says, l.register_row
    from like_names l
    join identities i using (identity_key)
    where i.kind in ('group', 'entity')
    union
    select t.identity_key, v.partner_id, 'whose tag ' || t.name || ' is the partner''s ' || v.what, v.register_row
    from tags t
    join tag_values v on v.value = t.value
    join identities i using (identity_key)
    where t.name in (select name from partner_tags)
        and i.kind in ('group', 'entity')
        and (v.our_tenant is null or v.our_tenant in (i.tenant_id, split_part(i.tenant_id, ':', 2)))
    union
    select t.identity_key, v.partner_id, 'whose tag ' || t.name || ' contains "' || v.name || '"', v.register_row
    from tags t
    join like_values v on v.value = t.value
    join identities i using (identity_key)
    where i.kind in ('group', 'entity')
        and not coalesce(i.is_provider_owned, false)
),
inside as (
    select identity_key, partner_id, identity_key as named_key
    from named
    union
    select m.identity_key, n.partner_id, n.named_key
    from inside n
    join identities g using (identity_key)
    join memberships m on m.group_key = n.identity_key
    where g.kind in ('group', 'entity')
)
select n.identity_key, n.partner_id,
    case when n.identity_key = n.named_key then 'it is an ' else 'it is in ' end || replace(g.kind, '_', ' ')
        || ' "' || g.name || '", ' || d.says as evidence,
    d.register_row
from inside n
join named d on d.identity_key = n.named_key and d.partner_id = n.partner_id
join identities g on g.identity_key = n.named_key
join identities i on i.identity_key = n.identity_key
where i.kind <> 'group'
    and not coalesce(i.is_provider_owned, false)
    and not exists (
        select 1
        from addresses a
        join person_addresses p using (address)
        where a.identity_key = n.identity_key
            and p.side = 'ours'
    );

-- whoever is named outright needs no likeness
insert into claims
select l.identity_key, l.partner_id, 'likeness', 0, 'likeness', null, l.evidence, 0.3, l.register_row
from (
    select l.identity_key, l.partner_id, 'its name contains "' || l.name || '"' as evidence, l.register_row
    from like_names l
    join identities i using (identity_key)
    where i.kind not in ('group', 'entity')
    union
    select g.identity_key, g.partner_id, g.evidence, g.register_row
    from grouped g
    join identities i using (identity_key)
    where i.kind <> 'entity'
    union
    select i.identity_key, a.partner_id,
        'its account "' || a.account || '" (' || a.account_id || ') is called like "' || a.name || '"', a.register_row
    from like_accounts a
    join signs g on g.value = a.account_id and g.kind in ('salesforce_account', 'hubspot_company')
    join identities i on i.identity_key = g.identity_key and i.tenant_id = a.tenant_id
    where i.kind not in ('group', 'entity')
    union
    select t.identity_key, v.partner_id, 'its tag ' || t.name || ' contains "' || v.name || '"', v.register_row
    from tags t
    join like_values v on v.value = t.value
    join identities i using (identity_key)
    where i.kind not in ('group', 'entity')
        and not coalesce(i.is_provider_owned, false)
) l
where not exists (
    select 1
    from claims c
    where c.identity_key = l.identity_key
        and c.partner_id = l.partner_id
)
