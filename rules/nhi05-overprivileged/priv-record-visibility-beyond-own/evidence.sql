-- Who sees how much of the object and what says so, the widest first; twenty of them. Counts only, no contents.
with placed as (
    select
        r.resource_id,
        f.identity_id,
        f.partner_name,
        f.licence,
        a.record_scope,
        a.record_scope_high,
        a.visible_records,
        a.foreign_records,
        a.evidence,
        row_number() over (
            partition by r.resource_id
            order by
                case a.record_scope when 'all' then 4 when 'team' then 3 when 'account' then 2 else 1 end desc,
                a.foreign_records desc,
                f.identity_id
        ) as place
    from record_access a
    join resources r on r.resource_key = a.resource_key
    join identity_facts f on f.identity_key = a.identity_key
    where coalesce(a.can_read, true)
        and f.is_enabled
)
select
    p.resource_id as subject_id,
    'seen by ' || p.identity_id || coalesce(' of ' || p.partner_name, '') as label,
    'scope ' || coalesce(p.record_scope, 'not certain') || case
        when coalesce(p.record_scope_high, 'any') <> coalesce(p.record_scope, 'any')
            then ', perhaps ' || coalesce(p.record_scope_high, 'more')
        else ''
    end
    || coalesce('; ' || cast(p.visible_records as varchar) || ' records seen', '')
    || coalesce(', ' || cast(p.foreign_records as varchar) || ' of them of others', '')
    || coalesce('; ' || p.evidence, '') as value
from placed p
where p.place <= 20
