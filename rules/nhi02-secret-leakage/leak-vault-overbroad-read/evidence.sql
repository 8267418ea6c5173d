select
    p.policy_id as subject_id,
    'held by ' || f.name as label,
    f.kind || coalesce(', partner ' || f.partner_id, '') || ', level ' || coalesce(cast(f.level as varchar), 'unknown') as value
from policy_facts p
join policy_bindings b on b.policy_key = p.policy_key
join identity_facts f on f.identity_key = b.identity_key
