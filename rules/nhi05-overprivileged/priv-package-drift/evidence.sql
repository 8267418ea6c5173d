-- The strongest twenty rights beyond the packages, and what the packages allow.
with placed as (
    select
        f.identity_id,
        e.verb,
        e.resource,
        e.scope,
        e.certainty,
        e.level,
        e.statement,
        row_number() over (partition by f.identity_id order by e.level desc, e.verb, e.resource, e.certainty, e.statement) as place
    from package_excess e
    join identity_facts f on f.identity_key = e.identity_key
),
allowed as (
    select distinct
        f.identity_id,
        g.package_id,
        i.action_pattern,
        i.resource_pattern,
        i.environment,
        i.register_row
    from package_excess e
    join identity_facts f on f.identity_key = e.identity_key
    join identity_partners a on a.identity_key = e.identity_key and a.verdict = 'asserted'
    join package_assignments g on g.partner_id = a.partner_id
    join package_items i on i.package_id = g.package_id and lower(i.provider) = f.provider
)
select
    p.identity_id as subject_id,
    'beyond: ' || p.verb || ' on ' || coalesce(p.resource, p.scope) || ' (' || p.certainty || ')' as label,
    coalesce(p.statement, 'statement not kept') as value
from placed p
where p.place <= 20
union all
select
    a.identity_id,
    'package ' || a.package_id || ' allows ' || a.action_pattern,
    'on ' || coalesce(a.resource_pattern, 'anything') || coalesce(' in ' || a.environment, '') || coalesce(' (' || a.register_row || ')', '')
from allowed a
