-- privileges -> unused_held (identity_key, verb, level): what is surely held with a level of 2 or more, but for `escalate`, which
-- follows from other verbs; and the empty table unused_sources
create or replace temp table unused_held as
select
    p.identity_key,
    p.verb,
    max(coalesce(p.level, case when p.scope in ('set', 'single', 'self') then n.level end)) as level
from privileges p
left join narrow_levels n
    on n.identity_key = p.identity_key
    and n.verb = p.verb
where p.certainty = 'definite'
    and p.verb <> 'escalate'
group by p.identity_key, p.verb
having max(coalesce(p.level, case when p.scope in ('set', 'single', 'self') then n.level end)) >= 2;

create or replace temp table unused_sources (
    identity_key bigint,
    verb varchar,
    source varchar,
    services bigint,
    unused bigint,
    unknown bigint,
    last_used_at timestamp,
    known_from timestamp,
    used_names varchar[],
    unused_names varchar[],
    unknown_names varchar[]
);
