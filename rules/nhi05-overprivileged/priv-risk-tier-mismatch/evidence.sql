-- The partner's strongest identities, and what gives them their level; the first twenty.
with held as (
    select distinct
        h.partner_id,
        h.identity_key
    from identity_partners h
    where h.verdict = 'asserted'
),
strongest as (
    select
        h.partner_id,
        f.identity_key,
        f.identity_id,
        f.level,
        f.environment,
        row_number() over (partition by h.partner_id order by f.level desc, f.identity_id) as place
    from held h
    join identity_facts f on f.identity_key = h.identity_key
    where f.is_enabled
        and coalesce(f.has_access, true)
        and f.level >= 1
),
reasons as (
    select
        s.partner_id,
        s.identity_id,
        s.environment,
        p.verb,
        p.scope,
        p.level,
        p.statement,
        row_number() over (partition by s.partner_id, s.identity_id order by p.verb, p.scope, p.statement) as place
    from strongest s
    join privileges p on p.identity_key = s.identity_key and p.level = s.level and p.certainty = 'definite'
    where s.place <= 20
)
select
    r.partner_id as subject_id,
    'level ' || cast(r.level as varchar) || ': ' || r.identity_id as label,
    r.verb || ' on ' || coalesce(r.scope, 'unknown scope') || coalesce(' in ' || r.environment, '')
    || coalesce('; ' || r.statement, '') as value
from reasons r
where r.place = 1
