-- Grants of a provider -> table_grants: one row for each grant, permission and meaning; what a group holds stands once
create or replace temp table table_grants as
select
    g.identity_key as holder_key,
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
    case when m.verb in ('read-data', 'write-data') then g.record_scope end as record_scope,
    d.resource_key is not null as is_of_records,
    d.internal_sharing,
    d.external_sharing,
    g.granted_at,
    g.last_used_at,
    coalesce(g.last_used_known, false) as last_used_known
from grants g
join table_meanings m on m.written is not distinct from g.permission
left join data_objects d on d.resource_key = g.resource_key
where g.provider = $provider
    and g.identity_key is not null
    -- without a moment to judge by, nothing has ended yet
    and coalesce(g.expires_at > (select max(as_of) from scans), true)
    -- a sharing rule widens what a right to the object allows, and a right to a field narrows it: alone they allow nothing
    and not (d.resource_key is not null and (starts_with(m.permission, 'sharing:') or starts_with(m.permission, 'field:')))
