-- unused_held, unused_sources and unused_logged -> unused_privileges
delete from unused_privileges;

insert into unused_privileges by name
with said as (
    select
        tenant_id,
        max(history_from) filter (dataset = 'usage.services') as history_from,
        max(collected_at) filter (dataset = 'usage.services') as collected_at,
        count(*) filter (dataset = 'usage.services') > 0 as is_advisor_read,
        max(concat_ws(', ', status, reason)) filter (dataset = 'usage.services' and status <> 'complete') as lack,
        max(history_from) filter (dataset = 'usage.calls') as logs_from
    from coverage
    group by tenant_id
),
-- of each tenant what its sources are, and what is said where they are silent
sources as (
    select
        t.tenant_id,
        t.provider,
        s.history_from,
        s.collected_at,
        s.logs_from,
        case
            when t.provider <> 'aws' then 'nothing that was read says what it used'
            when not coalesce(s.is_advisor_read, false) then 'access advisor was not read'
            else 'access advisor says nothing of it' || coalesce(': ' || s.lack, '')
        end as silence
    from (select distinct tenant_id, provider from identities) t
    left join said s on s.tenant_id = t.tenant_id
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
        r.logs_from,
        d.identity_key is not null as is_idle,
        i.created_at,
        r.silence
    from unused_held h
    join identities i on i.identity_key = h.identity_key
    left join unused_sources s
        on s.identity_key = h.identity_key
        and s.verb = h.verb
    left join unused_logged l
        on l.identity_key = h.identity_key
        and l.verb = h.verb
    left join idle d on d.identity_key = h.identity_key
    join sources r
        on r.tenant_id = i.tenant_id
        and r.provider = i.provider
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
    case
        -- most have nothing, and are many
        when source is null and logged_at is null and not is_by_idleness then silence
        else concat_ws(
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
                else silence
            end
        )
    end as evidence
from judged;
