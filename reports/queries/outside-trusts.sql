select
    i.identity_id,
    t.mechanism,
    t.principal,
    t.issuer,
    t.external_id_check,
    t.audience_check,
    t.subject_check,
    t.narrowed_by
from trusts t
join identity_facts i
  on i.identity_key = t.identity_key
where i.is_trusted_from_outside
order by i.identity_id, t.principal
