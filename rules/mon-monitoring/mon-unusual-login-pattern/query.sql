-- Partners' identities that signed in of late and of which 60 days of sign-ins before are known; who has fewer has no habits to break.
-- New may be the country, the network where few were used before, and the device of a machine. The speed between two places is not
-- weighed, because a log names countries and no distances; nor is the hour, because partners work in every time zone.
with known as (
    select
        s.*,
        f.is_nhi,
        case when s.occurred_at >= $recent_days_before then 1 else 0 end as is_recent
    from sign_ins s
    join identity_facts f on f.identity_key = s.identity_key
    where s.occurred_at >= $history_days_before
        and s.is_success
        and f.is_partner_related
        and f.is_enabled
        and not coalesce(f.is_provider_owned, false)
        and coalesce(f.created_at <= $history_days_before, true)
),
baselines as (
    select
        identity_key,
        sum(1 - is_recent) as events,
        sum(is_recent) as recent,
        count(distinct case when is_recent = 0 then country end) as countries,
        count(distinct case when is_recent = 0 then network end) as networks,
        count(distinct case when is_recent = 0 then device end) as devices
    from known
    group by identity_key
    having sum(is_recent) > 0
        and sum(1 - is_recent) >= $min_baseline_events
),
countries as (
    select distinct identity_key, country
    from known
    where is_recent = 0
),
networks as (
    select distinct identity_key, network
    from known
    where is_recent = 0
),
devices as (
    select distinct identity_key, device
    from known
    where is_recent = 0
),
judged as (
    select
        k.identity_key,
        k.event_id,
        k.occurred_at,
        k.country,
        k.network,
        k.device,
        case when k.country is not null and b.countries > 0 and c.country is null then 1 else 0 end as is_country_new,
        case
            when k.network is not null and n.network is null and b.networks between 1 and $settled_networks then 1
            else 0
        end as is_network_new,
        case
            when k.device is not null and d.device is null and b.devices > 0 and coalesce(k.is_nhi, false) then 1
            else 0
        end as is_device_new
    from known k
    join baselines b on b.identity_key = k.identity_key
    left join countries c on c.identity_key = k.identity_key and c.country = k.country
    left join networks n on n.identity_key = k.identity_key and n.network = k.network
    left join devices d on d.identity_key = k.identity_key and d.device = k.device
    where k.is_recent = 1
),
signals as (
    select
        j.*,
        j.is_country_new + j.is_network_new + j.is_device_new as new_things,
        row_number() over (
            partition by j.identity_key
            order by j.is_country_new + j.is_network_new + j.is_device_new desc, j.occurred_at desc, j.event_id
        ) as place,
        sum(case when j.is_country_new + j.is_network_new + j.is_device_new > 0 then 1 else 0 end) over (
            partition by j.identity_key
        ) as sign_ins
    from judged j
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when l.has_holes or l.history_from > $history_days_before then 'unknown'
        when l.tenant_id is not null and l.history_from is null then 'unknown'
        when s.new_things > 0 then 'fail'
        else 'pass'
    end as outcome,
    case when s.new_things > 1 or f.level >= 4 then 'high' else 'medium' end as severity,
    f.name as identity,
    f.kind,
    f.native_id,
    s.occurred_at as seen,
    $history_days - $recent_days as days_before,
    case
        when s.is_country_new = 1 and s.is_network_new = 1 then 'from the country ' || s.country || ' and the network ' || s.network
        when s.is_country_new = 1 then 'from the country ' || s.country
        when s.is_network_new = 1 then 'from the network ' || s.network
        else ''
    end
    || case when s.is_device_new = 1 and s.is_country_new + s.is_network_new > 0 then ' ' else '' end
    || case when s.is_device_new = 1 then 'with the device ' || s.device else '' end as what,
    case
        when l.has_holes then 'the log of sign-ins has holes'
        when l.history_from > $history_days_before
            then 'the log of sign-ins reaches back only to ' || substr(cast(l.history_from as varchar), 1, 10)
        when l.tenant_id is not null and l.history_from is null then 'nobody knows how far back the log of sign-ins reaches'
    end as doubt,
    s.sign_ins as unusual_sign_ins,
    b.events as sign_ins_before,
    b.countries as countries_before,
    b.networks as networks_before,
    b.devices as devices_before,
    f.level
from baselines b
join identity_facts f on f.identity_key = b.identity_key
left join signals s on s.identity_key = b.identity_key and s.place = 1
left join log_reach l on l.tenant_id = f.tenant_id and l.log = 'sign_ins'
