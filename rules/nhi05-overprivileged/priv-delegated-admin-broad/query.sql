-- Delegated administrators that are a partner's or somebody's outside, whether named themselves or by a group of administrators. What
-- reaches no further than their own account is what partners administer themselves, and is not broad.
with held as (
    select g.identity_key, g.grant_id, g.permission, g.account, g.record_scope
    from grants g
    where g.source = 'delegation'
        and coalesce(g.expires_at > $as_of, true)
    union
    select m.identity_key, g.grant_id, g.permission, g.account, g.record_scope
    from grants g
    join memberships m on m.group_key = g.identity_key
    where g.source = 'delegation'
        and coalesce(g.expires_at > $as_of, true)
    union
    select m.identity_key, g.grant_id, g.permission, g.account, g.record_scope
    from grants g
    join memberships u on u.group_key = g.identity_key
    join memberships m on m.group_key = u.identity_key
    where g.source = 'delegation'
        and coalesce(g.expires_at > $as_of, true)
),
weighed as (
    select
        h.identity_key,
        h.account,
        h.permission,
        case when h.record_scope in ('own', 'account') then 1 else 0 end as is_own,
        ',' || replace(lower(h.permission), ' ', '') || ',' as words,
        case when lower(h.permission) in $broad_services then 1 else 0 end as is_broad_service
    from held h
),
delegated as (
    select
        w.identity_key,
        min(w.account) as account,
        max(w.is_broad_service) as is_broad_service,
        min(case when w.is_broad_service = 1 then w.permission end) as service,
        max(case when w.is_own = 0 and w.words like '%,delegate:login_as,%' then 1 else 0 end) as is_login_as,
        max(case when w.is_own = 0 and w.words like '%,delegate:manage_users,%' then 1 else 0 end) as is_users,
        max(case when w.is_own = 0 and w.words like '%,delegate:assign_%' then 1 else 0 end) as is_rights,
        max(case when w.is_own = 0 and w.words like '%,delegate:custom_objects,%' then 1 else 0 end) as is_objects,
        count(distinct w.permission) as roles,
        min(w.permission) as example,
        max(case when w.permission is null then 1 else 0 end) as is_unread
    from weighed w
    group by w.identity_key
),
judged as (
    select
        f.*,
        d.account,
        coalesce(d.is_broad_service, 0) as is_broad_service,
        d.service,
        coalesce(d.is_login_as, 0) as is_login_as,
        coalesce(d.is_users, 0) as is_users,
        coalesce(d.is_rights, 0) as is_rights,
        coalesce(d.is_objects, 0) as is_objects,
        coalesce(d.roles, 0) as roles,
        d.example,
        coalesce(d.is_unread, 1) as is_unread,
        case
            when coalesce(f.partner_name, p.name) is not null then 'of ' || coalesce(f.partner_name, p.name)
            when f.is_partner_related then 'which has to do with a partner'
            else 'which is from outside'
        end as held_by
    from identity_facts f
    left join delegated d on d.identity_key = f.identity_key
    left join integration_facts o on o.tenant_id = f.tenant_id and o.kind = 'account' and o.name = d.account
    left join partner_facts p on p.partner_id = o.partner_id
    where (f.kind = 'delegated_admin' or d.identity_key is not null)
        and f.is_enabled
        and not coalesce(f.is_provider_owned, false)
        and (f.is_partner_related or coalesce(f.is_external, false) or o.integration_id is not null)
)
select
    j.identity_id as subject_id,
    j.tenant_id,
    case
        when j.is_broad_service + j.is_login_as + j.is_users + j.is_rights + j.is_objects > 0 or j.roles > $max_roles then 'fail'
        when j.is_unread = 1 then 'unknown'
        else 'pass'
    end as outcome,
    j.name as identity,
    j.kind,
    j.held_by,
    case
        when j.is_broad_service = 1 then 'administers ' || j.service || ' for every account of the organization'
        when j.is_login_as = 1 and j.is_users = 1 then 'may make and change users here and sign in as them'
        when j.is_login_as = 1 then 'may sign in here as others'
        when j.is_users = 1 and j.is_rights = 1 then 'may make and change users here and give them rights'
        when j.is_users = 1 then 'may make and change users here'
        when j.is_rights = 1 then 'may give others rights here'
        when j.is_objects = 1 then 'may change how objects work here'
        when j.roles > $max_roles then 'administers ' || cast(j.roles as varchar) || ' things here, such as ' || j.example
    end as problem,
    j.account,
    j.roles as delegations,
    j.last_used_at as last_used
from judged j
