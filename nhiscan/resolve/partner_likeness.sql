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
        where kind not in ('group', 'entity')
            and not coalesce(is_provider_owned, false)
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

-- whoever is named outright needs no likeness
insert into claims
select l.identity_key, l.partner_id, 'likeness', 0, 'likeness', null, l.evidence, 0.3, l.register_row
from (
    select identity_key, partner_id, 'its name contains "' || name || '"' as evidence, register_row
    from like_names
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
