-- What this scan sees of the identities that a statement speaks of, whoever they are attributed to by now.
select
    f.identity_id,
    f.is_enabled,
    f.has_access,
    f.live_credentials,
    f.last_used_at,
    p.left_on,
    coalesce(p.has_left, false) as has_left
from (select unnest($ids) as identity_id) w
join identity_facts f on f.identity_id = w.identity_id
join identities i on i.identity_key = f.identity_key
left join (
    select
        lower(trim(mail)) as mail,
        max(left_on) as left_on,
        bool_and(coalesce(lower(status) in ('left', 'leaver', 'inactive', 'departed'), false) or coalesce(left_on <= $today, false))
            as has_left
    from people
    group by lower(trim(mail))
) p on p.mail = lower(trim(i.mail))
