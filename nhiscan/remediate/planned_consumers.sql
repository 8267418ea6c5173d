-- Who uses a thing, by what the inventory knows: where the same credential or the same value stands, from where it was used,
-- what runs with it, who can read it.
with values_of as (
    select value_number from secret_places where (credential_id = $id or place_id = $id) and value_number is not null
    union
    select value_number from leak_facts where credential_id = $id and value_number is not null
),
places as (
    select p.where_kind, coalesce(p.location, p.holder_id) as location, p.name, p.holder_id,
        bool_or(p.value_number in (select value_number from values_of)) as is_value, max(p.evidence) as evidence
    from secret_places p
    where $kind in ('credential', 'secret')
        and p.place_id <> $id
        and (p.credential_id = $id or p.value_number in (select value_number from values_of))
    group by all
),
own as (
    select credential_id
    from credential_facts
    where credential_id = $id
        or ($kind in ('identity', 'app') and is_live and (identity_key = $identity or app_id = $id))
),
readers as (
    select distinct i.identity_id, f.owner_mail, e.certainty, e.evidence
    from access_edges e
    join identities i on i.identity_key = e.from_key
    left join identity_facts f on f.identity_key = i.identity_key
    where $kind = 'secret'
        and e.resource_key = $resource
        and e.kind = 'can-read-secret-of'
)
select p.where_kind as kind, p.location as place, coalesce(r.owner_mail, f.owner_mail) as owner,
    case when p.is_value then 'holds the same value' else 'names it' end
        || coalesce(' in ' || p.name, '') || coalesce('; ' || p.evidence, '') as evidence
from places p
left join resource_facts r on r.resource_id = p.holder_id
left join identity_facts f on f.identity_id = p.holder_id
union all
select 'use', coalesce(s.network, 'a network that is not known') || coalesce(', ' || s.program, ''), null,
    s.uses || ' recorded uses' || coalesce(' by ' || nullif(s.credential_id, $id), '')
        || coalesce(', the last at ' || strftime(s.last_used_at, '%Y-%m-%d %H:%M UTC'), '')
from credential_sources s
where s.credential_id in (select credential_id from own)
union all
select 'last use', coalesce(c.last_used_source, c.provider), null,
    coalesce(nullif(c.native_id, $native) || ' ', '') || case
        when c.last_used_at is not null then 'last used at ' || strftime(c.last_used_at, '%Y-%m-%d %H:%M UTC')
        when c.last_used_known then 'never used'
        else 'its use is not known'
    end
from credential_facts c
where c.credential_id in (select credential_id from own)
union all
select 'app', c.app_name, null, 'holds it, and acts with it'
from credential_facts c
where $kind = 'credential'
    and c.credential_id = $id
    and c.app_id is not null
union all
select 'workload', r.name, r.owner_mail, 'runs as it: ' || r.resource_id
from resource_facts r
where $kind = 'identity'
    and r.runs_as_id = $id
union all
select 'principal', t.principal, null,
    'is let in' || coalesce(' as ' || f.name, '') || case
        when f.last_used_at is not null then ', which was last used at ' || strftime(f.last_used_at, '%Y-%m-%d %H:%M UTC')
        when f.last_used_known then ', which was never used'
        else ', whose use is not known'
    end
from trusts t
left join identity_facts f on f.identity_key = t.identity_key
where $kind = 'trust'
    and t.trust_id = $id
union all
select 'principal', g.principal, f.owner_mail,
    'holds it' || coalesce(', last used at ' || strftime(g.last_used_at, '%Y-%m-%d %H:%M UTC'), '')
from grants g
left join identity_facts f on f.identity_key = g.identity_key
where $kind = 'grant'
    and g.grant_id = $id
union all
select 'member', f.name, f.owner_mail,
    case when f.last_used_at is not null then 'last used at ' || strftime(f.last_used_at, '%Y-%m-%d %H:%M UTC') else 'its use is not known' end
from identity_facts f
where $kind = 'membership'
    and f.identity_key = $identity
union all
select 'reader', identity_id, owner_mail, 'may read it (' || certainty || ')' || coalesce(': ' || evidence, '')
from readers
order by all
