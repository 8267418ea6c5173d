-- unused_parts (identity_key, verb, name, last_used_at, is_known, granted_at) -> unused_sources: summed up, with a few names
insert into unused_sources by name
select
    identity_key,
    verb,
    $source as source,
    count(*) as services,
    count(*) filter (is_known and last_used_at is null) as unused,
    count(*) filter (not is_known and last_used_at is null) as unknown,
    max(last_used_at) as last_used_at,
    min(granted_at) as known_from,
    max(strftime(last_used_at, '%Y-%m-%d') || ' ' || name, 4) filter (last_used_at is not null) as used_names,
    min(name, 6) filter (is_known and last_used_at is null) as unused_names,
    min(name, 4) filter (not is_known and last_used_at is null) as unknown_names
from unused_parts
group by identity_key, verb;
