-- Partners' machine identities, and the people who are one step from them. Administrators may become anybody: priv-admin-equivalent
-- and our own administration are the place for that, and not each identity in turn. People before a hub are counted once for all
-- that is behind it; where several ways lead to an identity, the widest says how many people there are at least. In a CRM, the log of
-- changes shows who signed in as somebody else; a delegated group may do so as users of some roles, which are not named.
with people as (
    select
        e.to_key,
        count(distinct case when e.certainty = 'definite' then e.from_key end) as sure,
        count(distinct e.from_key) as possible,
        min(case when e.certainty = 'definite' then p.name end) as example,
        min(case when e.certainty = 'definite' then e.evidence end) as evidence
    from access_edges e
    join identity_facts p on p.identity_key = e.from_key
    where e.kind <> 'member-of'
        and p.is_nhi = false
        and p.is_enabled
        and not coalesce(p.is_admin, false)
        and p.name not in $allowed
    group by e.to_key
),
persons as (
    select
        identity_key,
        identity_id,
        tenant_id,
        name
    from identity_facts
    where is_nhi = false
        and is_enabled
        and not coalesce(is_admin, false)
        and name not in $allowed
),
delegates as (
    select
        p.tenant_id,
        count(distinct p.identity_key) as members
    from grants g
    join persons p on p.tenant_id = g.tenant_id
    left join memberships m on m.group_key = g.identity_key and m.identity_key = p.identity_key
    where g.permission like '%delegate:login_as%'
        and (m.identity_key is not null or g.identity_key = p.identity_key)
    group by p.tenant_id
),
visits as (
    select
        u.target,
        count(distinct p.identity_key) as visitors,
        min(p.name) as example,
        max(u.occurred_at) as last_at
    from usage u
    join persons p on p.identity_id = u.identity_id
    where u.action in ('login_as', 'IMPERSONATE_USER')
        and u.outcome = 'success'
        and u.occurred_at >= $window_days_before
        and u.target <> u.identity_id
    group by u.target
),
steps as (
    select
        p.to_key,
        p.sure,
        p.possible,
        p.example,
        p.evidence
    from people p
    union all
    select
        f.identity_key,
        v.visitors,
        v.visitors,
        v.example,
        'signed in as it, the last time on ' || substr(cast(v.last_at as varchar), 1, 10)
    from visits v
    join identity_facts f on f.identity_id = v.target
    union all
    select
        f.identity_key,
        0,
        d.members,
        cast(null as varchar),
        cast(null as varchar)
    from delegates d
    join identity_facts f on f.tenant_id = d.tenant_id
    where f.kind = 'service_account'
    union all
    select
        e.to_key,
        case when e.certainty = 'definite' then p.sure else 0 end,
        p.possible,
        case when e.certainty = 'definite' then p.example end,
        case when e.certainty = 'definite' then coalesce(p.evidence, e.evidence, h.name) end
    from access_edges e
    join access_hubs h on h.hub_key = e.from_key
    join people p on p.to_key = h.hub_key
),
ways as (
    select
        s.to_key,
        max(s.sure) as people,
        max(s.possible) as possible,
        sum(case when s.sure > 0 then 1 else 0 end) as ways,
        min(s.example) as example,
        min(s.evidence) as evidence
    from steps s
    group by s.to_key
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when coalesce(w.possible, 0) = 0 then 'pass'
        when w.people = 0 then 'unknown'
        when f.level >= $min_level then 'fail'
        when f.level_high is null or f.level_high >= $min_level then 'unknown'
        else 'pass'
    end as outcome,
    f.name as identity,
    f.kind,
    f.native_id as arn,
    case when w.ways > 1 then 'at least ' else '' end
    || case when w.people = 1 then 'one person' else cast(w.people as varchar) || ' people' end as people,
    w.example,
    w.evidence,
    case
        when w.people = 0 then 'the way of ' || case when w.possible = 1 then 'one person' else cast(w.possible as varchar) || ' people' end
            || ' depends on conditions'
        else 'what it may do was not established'
    end as doubt
from identity_facts f
left join ways w on w.to_key = f.identity_key
where f.is_enabled
    and f.is_nhi
    and f.is_partner_related
    and not coalesce(f.is_provider_owned, false)
    and (f.level_high is null or f.level_high >= $min_level or f.level >= $min_level)
