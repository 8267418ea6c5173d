-- What gives the highest levels, and who lets the pipeline in.
with placed as (
    select
        f.identity_id,
        p.verb,
        p.scope,
        p.level,
        p.statement,
        p.considered,
        row_number() over (partition by f.identity_id order by p.level desc, p.verb, p.statement) as place
    from privileges p
    join identity_facts f on f.identity_key = p.identity_key
    join (select distinct identity_key from trusts where mechanism = 'oidc' union select runs_as_key from resources) u
        on u.identity_key = p.identity_key
    where p.certainty = 'definite'
        and p.level > $max_pipeline_level
)
select
    p.identity_id as subject_id,
    'allows ' || p.verb || ' on ' || p.scope || ' (level ' || cast(p.level as varchar) || ')' as label,
    coalesce(p.statement, 'statement not kept') || coalesce('; considered: ' || p.considered, '') as value
from placed p
where p.place <= 10
