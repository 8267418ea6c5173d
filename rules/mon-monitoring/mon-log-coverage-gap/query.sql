-- Tenants in which a partner has access. The setting logging.enabled says whether the tenant logs at all; the history that was
-- read says how far back the log reaches, and the events whom they name; who failed to sign in is often nobody.
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
history as (
    select
        tenant_id,
        max(history_from) as history_from
    from coverage
    where dataset = 'usage.calls'
        and status = 'complete'
    group by tenant_id
),
events as (
    select
        tenant_id,
        count(*) as events,
        sum(case when identity_id is null then 1 else 0 end) as nameless
    from usage
    where outcome = 'success'
    group by tenant_id
)
select
    w.tenant_id as subject_id,
    w.tenant_id,
    case
        when l.is_off = 1 then 'fail'
        when h.history_from > $min_retention_days_before then 'fail'
        when e.events >= $min_events and e.nameless > $max_unattributed * e.events then 'fail'
        when coalesce(l.is_on, 0) = 0 or h.history_from is null then 'unknown'
        else 'pass'
    end as outcome,
    case when l.is_off = 1 then 'high' else 'medium' end as severity,
    coalesce(t.name, w.tenant_id) as tenant,
    case
        when l.is_off = 1 then 'no audit log is switched on'
        when h.history_from > $min_retention_days_before
            then 'the log reaches back only to ' || substr(cast(h.history_from as varchar), 1, 10)
        else cast(e.nameless as varchar) || ' of ' || cast(e.events as varchar) || ' events name nobody'
    end as problem,
    w.identities as partner_identities,
    h.history_from as log_reaches_back_to
from with_partners w
left join tenants t on t.tenant_id = w.tenant_id
left join logging l on l.tenant_id = w.tenant_id
left join history h on h.tenant_id = w.tenant_id
left join events e on e.tenant_id = w.tenant_id
