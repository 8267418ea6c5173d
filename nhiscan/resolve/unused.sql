-- unused_held, unused_sources and unused_logged -> unused_privileges
delete from unused_privileges;

insert into unused_privileges by name
with read as (
    select
        tenant_id,
        max(history_from) as history_from,
        max(collected_at) as collected_at,
        max(status) filter (status <> 'complete') as status,
        max(reason) filter (status <> 'complete') as reason
    from coverage
    where dataset = 'usage.services'
    group by tenant_id
),
logs as (
    select tenant_id, max(history_from) as history_from
    from coverage
    where dataset = 'usage.calls'
    group by tenant_id
),
-- whatever was used with a credential was used by its holder
idle as (
    select i.identity_key
    from identities i
    left join credentials c on c.identity_key = i.identity_key
    where i.last_used_known
        and i.last_used_at is null
    group by i.identity_key
    having count(c.last_used_at) = 0
),
joined as (
    select
        h.identity_key,
        h.verb,
        h.level,
        case
            when s.last_used_at is not null or l.last_used_at is not null then true
            when s.unknown = 0 or d.identity_key is not null then false
        end as is_used,
        greatest(s.last_used_at, l.last_used_at) as last_used_at,
        s.services,
        s.unused,
        s.unknown,
        s.source,
        s.used_names,
        s.unused_names,
        s.unknown_names,
        case when s.source = 'access advisor' then r.history_from else s.known_from end as source_from,
        r.collected_at,
        l.last_used_at as logged_at,
        l.action,
        g.history_from as logs_from,
        d.identity_key is not null as is_idle,
        i.created_at,
        i.provider,
        r.tenant_id is not null as is_advisor_read,
        r.status,
        r.reason
    from unused_held h
    join identities i on i.identity_key = h.identity_key
    left join unused_sources s
        on s.identity_key = h.identity_key
        and s.verb = h.verb
    left join unused_logged l
        on l.identity_key = h.identity_key
        and l.verb = h.verb
    left join idle d on d.identity_key = h.identity_key
    left join read r on r.tenant_id = i.tenant_id
    left join logs g on g.tenant_id = i.tenant_id
),
judged as (
    select
        *,
        -- nothing but the idleness of the identity itself decides
        is_idle and not is_used and coalesce(unknown <> 0, true) as is_by_idleness
    from joined
)
select
    identity_key,
    verb,
    level,
    is_used,
    last_used_at,
    services,
    unused as services_unused,
    case
        when is_by_idleness then created_at
        when source is not null then source_from
        when logged_at is not null then logs_from
    end as known_from,
    case
        when is_by_idleness then 'last use of the identity'
        when source is not null and logged_at is not null then source || ' and logs'
        when logged_at is not null then 'logs'
        else source
    end as source,
    concat_ws(
        '; ',
        case when is_by_idleness then 'the identity itself was never used' end,
        'last used: ' || array_to_string(used_names[1:3], ', ')
            || case
                when services - unused - unknown > 3 then ' and ' || (services - unused - unknown - 3) || ' more'
                else ''
            end,
        'not used: ' || array_to_string(unused_names[1:5], ', ')
            || case when unused > 5 then ' and ' || (unused - 5) || ' more' else '' end,
        'not followed: ' || array_to_string(unknown_names[1:3], ', ')
            || case when unknown > 3 then ' and ' || (unknown - 3) || ' more' else '' end,
        'log: ' || action || ' ' || strftime(logged_at, '%Y-%m-%d'),
        case
            when source = 'access advisor' then 'by access advisor'
                || coalesce(' of ' || strftime(collected_at, '%Y-%m-%d'), '')
                || coalesce(', which looks back to ' || strftime(source_from, '%Y-%m-%d'), '')
            when source is not null then 'by the last use of grants'
            when provider <> 'aws' then 'nothing that was read says what it used'
            when not is_advisor_read then 'access advisor was not read'
            when status is not null then 'access advisor says nothing of it: ' || concat_ws(', ', status, reason)
            else 'access advisor says nothing of it'
        end
    ) as evidence
from judged;
