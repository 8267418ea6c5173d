select
    f.identity_id as subject_id,
    'trust of ' || coalesce(t.principal, 'unknown') as label,
    t.statement as value
from trusts t
join identity_facts f on f.identity_key = t.identity_key
where t.mechanism = 'assume_role'
