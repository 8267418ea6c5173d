-- Tenants in which a partner has access. The setting logging.enabled says whether the tenant logs at all; the histories that were
-- read say how far back its logs reach, and the events whom they name; who failed to sign in is often nobody. A CRM keeps a log of
-- sign-ins, one of changes and one of exports, whatever its setting; elsewhere calls are all that is logged.
with with_partners as (
    select
        tenant_id,
        count(*) as identities
    from identity_facts
    where is_partner_related
        and coalesce(has_access, true)
    group by tenant_id
),
logging as (
    select
        tenant_id,
        max(case when value = 'no' then 1 else 0 end) as is_off,
        max(case when value = 'yes' then 1 else 0 end) as is_on
    from settings
    where name = 'logging.enabled'
    group by tenant_id
),
several as (
    select distinct tenant_id
    from coverage
    where dataset = 'usage.logins'
        and tenant_id is not null
),
histories as (
    select
        c.tenant_id,
        c.dataset,
        case c.dataset
            when 'usage.logins' then 'the log of sign-ins'
            when 'usage.audit' then 'the log of changes'
            when 'usage.exports' then 'the log of exports'
            else 'the log'
        end as log,
        max(case when c.status = 'complete' then c.history_from end) as history_from,
        max(case when c.status = 'not_licensed' then 1 else 0 end) as is_unlicensed
    from coverage c
    left join several s on s.tenant_id = c.tenant_id
    where (s.tenant_id is null and c.dataset = 'usage.calls')
        or (s.tenant_id is not null and c.dataset in ('usage.logins', 'usage.audit', 'usage.exports'))
    group by c.tenant_id, c.dataset
),
history as (
    select
        h.tenant_id,
        max(h.history_from) as history_from,
        max(case when h.history_from is null and h.is_unlicensed = 0 then 1 else 0 end) as is_open,
        max(case when h.is_unlicensed = 1 then h.log end) as unlicensed,
        count(distinct case when h.is_unlicensed = 1 then h.log end) as unlicensed_logs,
        max(case when h.dataset = 'usage.exports' then h.is_unlicensed else 0 end) as is_export_unlicensed,
        max(case when h.history_from > $min_retention_days_before then h.history_from end) as short_from,
        max(case when h.history_from > $min_retention_days_before then h.log end) as short_log,
        count(case when h.history_from > $min_retention_days_before then 1 end) as short_logs
    from histories h
    group by h.tenant_id
),
events as (
    select
        tenant_id,
        count(*) as events,
        sum(case when identity_id is null then 1 else 0 end) as nameless
    from usage
    where outcome = 'success'
    group by tenant_id
),
judged as (
    select
        w.tenant_id,
        w.identities,
        h.history_from,
        h.is_open,
        h.is_export_unlicensed,
        l.is_on,
        case when s.tenant_id is null then 0 else 1 end as has_several,
        case
            when l.is_off = 1 and s.tenant_id is not null then 'its event log is switched off'
            when l.is_off = 1 then 'no audit log is switched on'
        end as off,
        case
            when h.unlicensed_logs = 1 then h.unlicensed || ' takes a licence that it has not'
            when h.unlicensed_logs > 1 then cast(h.unlicensed_logs as varchar) || ' of its logs take a licence that it has not'
        end as unlicensed,
        case
            when h.short_logs = 1 then h.short_log || ' reaches back only to ' || substr(cast(h.short_from as varchar), 1, 10)
            when h.short_logs > 1
                then cast(h.short_logs as varchar) || ' of its logs reach back only to ' || substr(cast(h.short_from as varchar), 1, 10)
                    || ' or less far'
        end as short,
        case
            when e.events >= $min_events and e.nameless > $max_unattributed * e.events
                then cast(e.nameless as varchar) || ' of ' || cast(e.events as varchar) || ' events name nobody'
        end as nameless
    from with_partners w
    left join several s on s.tenant_id = w.tenant_id
    left join logging l on l.tenant_id = w.tenant_id
    left join history h on h.tenant_id = w.tenant_id
    left join events e on e.tenant_id = w.tenant_id
)
select
    j.tenant_id as subject_id,
    j.tenant_id,
    case
        when coalesce(j.off, j.unlicensed, j.short, j.nameless) is not null then 'fail'
        when j.has_several = 0 and coalesce(j.is_on, 0) = 0 then 'unknown'
        when coalesce(j.is_open, 1) = 1 then 'unknown'
        else 'pass'
    end as outcome,
    case when j.off is not null or j.is_export_unlicensed = 1 then 'high' else 'medium' end as severity,
    coalesce(t.name, j.tenant_id) as tenant,
    substr(
        coalesce(', ' || j.off, '') || coalesce(', ' || j.unlicensed, '') || coalesce(', ' || j.short, '')
        || coalesce(', ' || j.nameless, ''),
        3
    ) as problem,
    j.identities as partner_identities,
    j.history_from as log_reaches_back_to
from judged j
left join tenants t on t.tenant_id = j.tenant_id
