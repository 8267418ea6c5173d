-- users whom an app acts as by its live tokens, the newest use first
with held as (
    select c.identity_key, count(*) as tokens, min(c.created_at) as oldest_at, max(c.last_used_at) as last_used_at,
           bool_and(coalesce(c.last_used_known, false)) as last_used_known
    from credential_facts c
    join app_facts a
      on a.identity_id = c.app_id
    where a.identity_key = $key
      and c.is_live
      and c.identity_key <> a.identity_key
    group by c.identity_key
)
select u.identity_id, u.name, u.partner_name, u.licence, u.level, h.tokens, h.oldest_at, h.last_used_at, h.last_used_known,
       count(*) over () as total
from held h
join identity_facts u
  on u.identity_key = h.identity_key
order by h.last_used_at desc nulls last, u.identity_id
limit $most
