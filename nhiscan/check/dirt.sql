-- Partners of whom a row of the register speaks that was not accepted, in a table whose silence a rule's fails rely on.
insert into run_dirt
select
    u.rule_id,
    q.partner_id,
    string_agg(distinct u.dataset, ', ' order by u.dataset) as datasets,
    string_agg(
        distinct q.file || ':' || q.line || coalesce(', ' || q.field, '') || ': ' || q.problem,
        '; '
        order by q.file || ':' || q.line || coalesce(', ' || q.field, '') || ': ' || q.problem
    ) as in_words
from quarantine q
join (select distinct file, holds from register_files) f on f.file = q.file
join run_uses u on u.used = 'absence' and u.dataset = 'register.' || f.holds
where q.row_dropped
    -- the register's words for a row that repeats another to the letter: nothing was lost with it
    and q.problem not like 'says the same as %'
    and q.partner_id is not null
group by u.rule_id, q.partner_id;
