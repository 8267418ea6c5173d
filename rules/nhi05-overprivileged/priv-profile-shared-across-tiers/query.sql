-- Profiles, permission sets and roles with a partner among their members. Two tiers are established; a partner without a tier in the
-- register may be of another one. Sets in a group of sets pass on to its members.
with members as (
    select m.group_key as role_key, m.identity_key
    from memberships m
    union
    select u.group_key, m.identity_key
    from memberships u
    join memberships m on m.group_key = u.identity_key
),
partners_of as (
    select
        m.role_key,
        f.partner_id,
        max(p.tier) as tier,
        count(distinct f.identity_id) as identities,
        min(f.identity_id) as example
    from members m
    join identity_facts f on f.identity_key = m.identity_key
    join partner_facts p on p.partner_id = f.partner_id
    where f.is_enabled
    group by m.role_key, f.partner_id
),
untiered as (
    select
        role_key,
        count(*) as partners
    from partners_of
    where coalesce(trim(tier), '') = ''
    group by role_key
)
select
    r.role_id as subject_id,
    r.tenant_id,
    case
        when r.tiers > 1 then 'fail'
        when r.partners > 1 and u.partners > 0 then 'unknown'
        else 'pass'
    end as outcome,
    r.kind,
    replace(r.kind, '_', ' ') as what,
    r.name as role,
    r.partners,
    r.tiers,
    r.tier_names,
    u.partners as untiered,
    r.partner_names,
    r.external_members as partners_identities,
    r.internal_members as our_identities
from role_facts r
left join untiered u on u.role_key = r.role_key
where r.partners > 0
    and r.kind in $role_kinds
    and lower(r.name) not in $allowed_base_roles
