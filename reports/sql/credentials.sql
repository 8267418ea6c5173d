select c.identity_key, c.credential_id, c.kind, c.native_id, c.is_live, c.created_at, c.age_days, c.last_used_at,
       c.last_used_known, c.last_used_source, c.expires_at, c.expiry_known
from credential_facts c
where c.identity_key in (select unnest($keys::bigint[]))
order by c.identity_key, c.is_live desc nulls last, c.age_days desc nulls last, c.credential_id
