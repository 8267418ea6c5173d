select identity_key, partners, claims, owners, trusts
from hidden
where identity_key in (select unnest($keys::bigint[]))
