-- Whom the app can still act as, the ten tokens used last.
with tokens as (
    select
        c.app_id,
        c.identity_name,
        c.native_id,
        c.created_at,
        c.last_used_at,
        row_number() over (
            partition by c.app_id
            order by coalesce(c.last_used_at, c.created_at) desc, c.credential_id
        ) as place
    from credential_facts c
    where c.is_live
        and c.app_id is not null
)
select
    t.app_id as subject_id,
    'token ' || t.native_id as label,
    'acts as ' || t.identity_name || coalesce(', issued ' || substr(cast(t.created_at as varchar), 1, 10), '')
    || coalesce(', last used ' || substr(cast(t.last_used_at as varchar), 1, 10), '') as value
from tokens t
where t.place <= 10
