-- A word ends at a sign that is no letter or digit, before digits, and where small letters turn to capitals. What an account shares with
-- everything of its partner or of us says nothing: the names of both, and a mail address behind its @.
delete from name_words;

create or replace temp macro words_of(text) as
    list_filter(
        regexp_split_to_array(
            lower(strip_accents(regexp_replace(regexp_replace(text, '([\p{Ll}])([\p{Lu}])', '\1 \2', 'g'), '\d+', ' ', 'g'))),
            '[^\pL]+'
        ),
        lambda word: word <> ''
    );

insert into name_words by name
with texts as (
    select f.identity_key, f.partner_name, 'name' as source, split_part(f.name, '@', 1) as text
    from identity_facts f
    where f.is_partner_related
        and f.is_enabled
        and f.kind in ('human_user', 'service_account', 'user')
    union all
    select f.identity_key, f.partner_name, 'mail', split_part(i.mail, '@', 1)
    from identity_facts f
    join identities i using (identity_key)
    where f.is_partner_related
        and f.is_enabled
        and f.kind in ('human_user', 'service_account', 'user')
        and i.mail is not null
),
ours as (
    select coalesce(flatten(list(words_of(value))), []) as words
    from company
    where kind = 'name'
),
split as (
    select t.identity_key, t.source,
        list_filter(
            words_of(t.text),
            lambda word: not list_contains(coalesce(words_of(t.partner_name), []), word) and not list_contains(o.words, word)
        ) as words
    from texts t
    cross join ours o
)
select distinct identity_key, source, unnest(words) as word, len(list_distinct(words)) as words
from split
order by identity_key, source, word
