-- The strongest twenty rights beyond the packages, and the changes of the contracts.
with placed as (
    select
        f.identity_id,
        e.verb,
        e.resource,
        e.scope,
        e.certainty,
        e.statement,
        row_number() over (partition by f.identity_id order by e.level desc, e.verb, e.resource, e.certainty, e.statement) as place
    from package_excess e
    join identity_facts f on f.identity_key = e.identity_key
)
select
    p.identity_id as subject_id,
    'left over: ' || p.verb || ' on ' || coalesce(p.resource, p.scope) || ' (' || p.certainty || ')' as label,
    coalesce(p.statement, 'statement not kept') as value
from placed p
where p.place <= 20
union all
select distinct
    f.identity_id,
    e.type || ' of contract ' || c.contract_id,
    cast(e.occurred as varchar) || coalesce(' (' || e.register_row || ')', '')
from contract_events e
join contracts c on c.contract_id = e.contract_id
join identity_partners a on a.partner_id = c.partner_id and a.verdict = 'asserted'
join identity_facts f on f.identity_key = a.identity_key
where lower(e.type) in $change_events
