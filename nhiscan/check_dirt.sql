-- Subjects of whom a row of the register speaks that was not accepted, in a table whose silence a fail relies on.
create or replace temp table rule_dirt as
with dirty as (
    select
        q.partner_id,
        'register.' || f.holds as dataset,
        q.file || ':' || q.line || coalesce(', ' || q.field, '') || ': ' || q.problem as in_words
    from quarantine q
    join (select distinct file, holds from register_files) f on f.file = q.file
    where q.row_dropped
        -- the register's words for a row that repeats another to the letter: nothing was lost with it
        and q.problem not like 'says the same as %'
        and q.partner_id is not null
        and 'register.' || f.holds in (select dataset from rule_datasets where used = 'absence')
),
subjects as (
    select identity_id as subject_id, partner_id from identity_facts where $subject = 'identity'
    union all
    select credential_id, partner_id from credential_facts where $subject = 'credential'
    union all
    select partner_id, partner_id from partner_facts where $subject = 'partner'
)
select
    s.subject_id,
    string_agg(distinct d.dataset, ', ' order by d.dataset) as datasets,
    string_agg(distinct d.in_words, '; ' order by d.in_words) as in_words
from dirty d
join subjects s on s.partner_id = d.partner_id
group by s.subject_id;
