-- identity_map rows in force at as_of, numbered
create or replace temp table decision_rows as
select row_number() over (order by m.register_row, m.pattern, m.partner_id) as decision,
    not regexp_matches(m.pattern, '[*?]') as is_exact,
    m.*
from identity_map m
cross join scans s
where m.pattern <> ''
    and (m.until is null or m.until >= s.as_of::date);

create or replace temp table decision_matches (identity_key bigint, decision bigint)
