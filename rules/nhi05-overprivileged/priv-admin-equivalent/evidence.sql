-- The statement that makes an administrator, and the denies, boundaries and SCPs that were weighed; its other verbs follow from it.
-- Of whoever gets there step by step, the first step.
with steps as (
    select
        r.identity_key,
        e.kind,
        e.path_id,
        e.statement,
        e.evidence
    from reach r
    join access_edges e on e.from_key = r.identity_key and e.to_key = r.next_key
    where r.goal = 'admin'
        and r.certainty = 'definite'
        and r.hops > 0
        and e.certainty = 'definite'
        and e.kind <> 'member-of'
    union all
    select
        r.identity_key,
        o.kind,
        o.path_id,
        o.statement,
        coalesce(o.evidence, i.evidence)
    from reach r
    join access_edges i on i.from_key = r.identity_key
    join access_hubs h on h.hub_key = i.to_key
    join access_edges o on o.from_key = h.hub_key and o.to_key = r.next_key
    where r.goal = 'admin'
        and r.certainty = 'definite'
        and r.hops > 0
        and i.certainty = 'definite'
        and o.certainty = 'definite'
)
select
    f.identity_id as subject_id,
    'allows ' || p.verb || ' on ' || coalesce(p.scope, 'unknown scope') || ' (' || coalesce(p.certainty, 'unknown') || ')' as label,
    coalesce(p.statement, 'statement not kept') || coalesce('; considered: ' || p.considered, '') as value
from privileges p
join identity_facts f on f.identity_key = p.identity_key
where f.is_partner_related
    and (p.verb in ('admin', 'escalate') or p.statement is null)
union all
select
    f.identity_id,
    'first step: ' || s.kind || coalesce(' (' || s.path_id || ')', ''),
    coalesce(s.evidence, s.statement, 'statement not kept')
from steps s
join identity_facts f on f.identity_key = s.identity_key
where f.is_partner_related
