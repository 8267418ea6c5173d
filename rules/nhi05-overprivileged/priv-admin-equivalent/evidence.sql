-- The statement that makes an administrator, and the denies and boundaries that were weighed; its other verbs follow from it.
select
    f.identity_id as subject_id,
    'allows ' || p.verb || ' on ' || coalesce(p.scope, 'unknown scope') || ' (' || coalesce(p.certainty, 'unknown') || ')' as label,
    coalesce(p.statement, 'statement not kept') || coalesce('; considered: ' || p.considered, '') as value
from privileges p
join identity_facts f on f.identity_key = p.identity_key
where f.is_partner_related
    and (p.verb = 'admin' or p.statement is null)
