select
    c.credential_id,
    c.identity_name,
    c.partner_name,
    c.age_days,
    c.last_used_at
from credential_facts c
where c.is_live
  and c.is_replaceable
  and c.age_days > cast($days as bigint)
order by c.age_days desc, c.credential_id
