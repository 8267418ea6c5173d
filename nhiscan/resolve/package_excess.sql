-- Everything that no item of any package covers. Reading settings is nobody's excess.
delete from package_excess;

insert into package_excess by name
with reach as (
    select h.identity_key, r.verb, r.resource, r.scope, r.certainty, r.level, r.statement, null as width
    from aws_holders h
    join package_aws_reach r using (combination)
    union
    select identity_key, verb, resource, scope, certainty, level, statement, width
    from package_objects
    union
    -- of a CRM, what reaches all data reaches every object; how far anything less reaches, the objects say
    select
        p.identity_key,
        p.verb,
        case when o.verb is not null then 'crm/*' end,
        p.scope,
        p.certainty,
        p.level,
        p.statement,
        case when o.verb is not null then 4 end
    from privileges p
    left join (select distinct identity_key, verb from package_objects) o using (identity_key, verb)
    where p.identity_key in (select identity_key from package_holders where provider <> 'aws')
        and (o.verb is null or p.scope = 'all')
),
allowed as (
    select h.identity_key,
        replace(lower(trim(i.action_pattern)), '*', '%') as verbs,
        i.resource_pattern,
        coalesce(trim(i.resource_pattern), '') in ('', '*') as is_any,
        coalesce(list_position(['own', 'account', 'team', 'all'], lower(trim(i.record_scope))), 1) as width
    from package_holders h
    join package_items i
        on i.package_id = h.package_id
        and lower(i.provider) = h.provider
    where coalesce(trim(i.environment), '') in ('', '*')
        or h.environment is null
        or lower(trim(i.environment)) = h.environment
),
judged as (
    select r.*,
        -- covered for certain, or perhaps: a provider that does not name the resource
        coalesce(
            bool_or((a.is_any or c.resource is not null) and coalesce(a.width >= r.width, true)),
            false
        ) as is_covered,
        coalesce(bool_or(a.identity_key is not null and r.resource is null), false) as is_perhaps_covered
    from reach r
    left join allowed a
        on a.identity_key = r.identity_key
        and r.verb like a.verbs
    left join package_covers c
        on c.resource = r.resource
        and c.resource_pattern is not distinct from a.resource_pattern
    where r.verb not in ('none', 'read-config')
    group by all
)
select identity_key, verb, resource, scope,
    case when is_perhaps_covered and certainty = 'definite' then 'potential' else certainty end as certainty,
    level, statement
from judged
where not is_covered
order by all
