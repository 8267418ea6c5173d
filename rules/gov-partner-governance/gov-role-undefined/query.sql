-- Profiles, permission sets, roles and groups with a partner's identity in them. Owner and intended tier are judged once half of the
-- roles in the register have one; a role may be written down under its name, its own id or the id here, for its system or one tenant.
with fields as (
    select
        max(case when field = 'owner' and 2 * filled >= rows then 1 else 0 end) as has_owners,
        max(case when field = 'intended_tier' and 2 * filled >= rows then 1 else 0 end) as has_tiers
    from register_fields
    where holds = 'roles'
),
used as (
    select
        r.role_key,
        r.role_id,
        r.provider,
        r.tenant_id,
        r.kind,
        r.name,
        r.partners,
        r.partner_names,
        r.members,
        i.native_id
    from role_facts r
    left join identities i on i.identity_key = r.role_key
    where r.partners > 0
),
held as (
    select
        m.group_key,
        max(f.level) as level
    from memberships m
    join identity_facts f on f.identity_key = m.identity_key
    where f.partner_id is not null
        and f.is_enabled
    group by m.group_key
),
written as (
    select
        u.role_key,
        max(nullif(trim(d.description), '')) as description,
        max(nullif(trim(d.owner), '')) as owner,
        max(nullif(trim(d.intended_tier), '')) as intended_tier
    from used u
    join roles d
        on lower(trim(d.system)) in (lower(u.provider), lower(u.tenant_id))
        and lower(trim(d.role)) in (lower(u.name), lower(u.native_id), lower(u.role_id))
    group by u.role_key
),
looked as (
    select
        u.*,
        w.description,
        w.owner,
        w.intended_tier,
        h.level,
        case
            when w.role_key is null then 'no entry in the register'
            when w.description is null then 'no description'
            when f.has_owners = 1 and w.owner is null then 'no owner'
            when f.has_tiers = 1 and w.intended_tier is null then 'no tier that it is made for'
        end as problem
    from used u
    cross join fields f
    left join written w on w.role_key = u.role_key
    left join held h on h.group_key = u.role_key
)
select
    l.role_id as subject_id,
    l.tenant_id,
    case when l.problem is null then 'pass' else 'fail' end as outcome,
    case when l.level >= $wide_level then 'medium' else 'low' end as severity,
    replace(l.kind, '_', ' ') as kind,
    l.name,
    l.problem,
    case when l.partners = 1 then 'one partner uses' else cast(l.partners as varchar) || ' partners use' end as used_by,
    l.partner_names,
    l.members,
    l.level as highest_level,
    l.description,
    l.owner,
    l.intended_tier
from looked l
