-- Profiles and permission sets that somebody is in, directly or through a group of sets. Administrators may hold the permissions:
-- somebody has to approve. API names: CanApproveUninstalledApps, UseAnyApiClient.
with given as (
    select
        g.identity_key,
        max(case when ',' || replace(g.permission, ' ', '') || ',' like '%,CanApproveUninstalledApps,%' then 1 else 0 end) as approves,
        max(case when ',' || replace(g.permission, ' ', '') || ',' like '%,UseAnyApiClient,%' then 1 else 0 end) as uses_any
    from grants g
    where g.source in ('profile', 'permission_set')
    group by g.identity_key
),
giving as (
    select
        r.role_key,
        r.role_id,
        r.tenant_id,
        r.name,
        r.kind,
        r.members,
        r.external_members,
        r.partner_names,
        coalesce(g.approves, 0) as approves,
        coalesce(g.uses_any, 0) as uses_any
    from role_facts r
    left join given g on g.identity_key = r.role_key
    where r.kind in ('profile', 'permission_set')
        and r.members > 0
),
people as (
    select
        g.role_key,
        m.identity_key
    from giving g
    join memberships m on m.group_key = g.role_key
    where g.approves + g.uses_any > 0
    union
    select
        g.role_key,
        m.identity_key
    from giving g
    join memberships n on n.group_key = g.role_key
    join memberships m on m.group_key = n.identity_key
    where g.approves + g.uses_any > 0
),
counted as (
    select
        p.role_key,
        sum(case when not f.is_admin then 1 else 0 end) as others,
        sum(case when f.is_admin is null then 1 else 0 end) as unclear,
        min(case when not f.is_admin then f.name end) as one_of_them
    from people p
    join identity_facts f on f.identity_key = p.identity_key
    where f.is_enabled
        and not coalesce(f.is_provider_owned, false)
    group by p.role_key
)
select
    g.role_id as subject_id,
    g.tenant_id,
    case
        when g.approves + g.uses_any = 0 then 'pass'
        when c.others > 0 then 'fail'
        when c.unclear = 0 then 'pass'
        else 'unknown'
    end as outcome,
    case when g.external_members > 0 then 'high' else 'medium' end as severity,
    g.name,
    g.kind,
    case
        when g.approves = 1 and g.uses_any = 1 then 'Approve Uninstalled Connected Apps and Use Any API Client'
        when g.approves = 1 then 'Approve Uninstalled Connected Apps'
        else 'Use Any API Client'
    end as permissions,
    c.others,
    c.one_of_them,
    g.members,
    g.external_members as members_from_outside,
    g.partner_names as partners
from giving g
left join counted c on c.role_key = g.role_key
