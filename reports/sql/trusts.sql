select t.identity_key, t.mechanism, t.principal_kind, t.principal, t.account, t.issuer, t.external_id_check, t.audience_check,
       t.subject_check, t.has_other_conditions
from trusts t
where t.identity_key in (select unnest($keys::bigint[]))
order by t.identity_key, t.mechanism, t.principal, t.trust_id
