-- grants of a provider -> table_grants: one row for each grant, permission and meaning, for the holder and for whoever is in
-- a group that holds it
create or replace temp table table_grants as
with recursive above as (
    select i.identity_key, i.identity_key as above_key
    from identities i
    where i.provider = $provider
        and i.kind not in ('group', 'entity')
    union
    select a.identity_key, m.group_key
    from above a
    join memberships m on m.identity_key = a.above_key
)
select
    a.identity_key,
    case when a.above_key <> a.identity_key then a.above_key end as via_key,
    g.permission as written,
    m.permission,
    -- the administrator of one resource manages the rights to it
    case
        when m.verb = 'admin' and (g.resource_key is not null or m.most < 4) then 'manage-policy'
        else m.verb
    end as verb,
    m.most,
    m.is_over_resources or m.verb = 'admin' as is_over_resources,
    m.is_core,
    g.resource_key,
    coalesce(g.has_other_conditions, false) or coalesce(g.narrowed_by, '') <> '' as is_conditional,
    g.granted_at,
    g.last_used_at,
    coalesce(g.last_used_known, false) as last_used_known
from above a
join grants g on g.identity_key = a.above_key
join table_meanings m on m.written is not distinct from g.permission
where g.provider = $provider
    -- without a moment to judge by, nothing has ended yet
    and coalesce(g.expires_at > (select max(as_of) from scans), true);
