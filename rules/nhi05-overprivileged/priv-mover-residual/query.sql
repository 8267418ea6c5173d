-- Usable identities of partners that hold a package, whose role or contract changed. What is beyond the packages now is a residue where
-- its grant is dated before the change, or where the log reaches back to the change and shows no right given on a later day, to the
-- identity or to whom cannot be said.
with held as (
    select
        a.identity_key,
        min(p.name) as partner
    from package_assignments g
    join identity_partners a on a.partner_id = g.partner_id
    left join partner_facts p on p.partner_id = g.partner_id
    where a.verdict = 'asserted'
        and coalesce(g.assigned_at <= cast($as_of as date), true)
        and coalesce(g.expires_at >= cast($as_of as date), true)
    group by a.identity_key
),
contract_changes as (
    select
        f.identity_key,
        max(cast(e.occurred as timestamp)) as changed_at
    from contract_events e
    join contracts c on c.contract_id = e.contract_id
    left join contract_tenants t on t.contract_id = c.contract_id
    join identity_partners a on a.partner_id = c.partner_id and a.verdict = 'asserted'
    join identity_facts f on f.identity_key = a.identity_key
    where lower(e.type) in $change_events
        and e.occurred <= cast($as_of as date)
        and (t.tenant_id is null or t.tenant_id = f.tenant_id)
    group by f.identity_key
),
movers as (
    select
        f.*,
        h.partner,
        case
            when c.changed_at > f.role_changed_at or f.role_changed_at is null then c.changed_at
            else f.role_changed_at
        end as changed_at,
        case
            when c.changed_at > f.role_changed_at or f.role_changed_at is null then 'its contract'
            else 'its role'
        end as changed_what
    from identity_facts f
    join held h on h.identity_key = f.identity_key
    left join contract_changes c on c.identity_key = f.identity_key
    where f.is_enabled
        and coalesce(f.has_access, true)
        and not coalesce(f.is_provider_owned, false)
        and (c.changed_at is not null or f.role_changed_at <= $as_of)
),
beyond as (
    select
        e.identity_key,
        sum(case when e.certainty = 'definite' then 1 else 0 end) as sure,
        max(case when e.certainty = 'definite' then e.level end) as level,
        count(distinct case when e.certainty = 'definite' then e.verb end) as verbs,
        min(case when e.certainty = 'definite' then e.verb end) as first_verb
    from package_excess e
    group by e.identity_key
),
histories as (
    select
        tenant_id,
        max(case when dataset = 'usage.audit' then 1 else 0 end) as has_audit
    from coverage
    where dataset in ('usage.audit', 'usage.calls')
    group by tenant_id
),
horizons as (
    select
        h.tenant_id,
        max(c.history_from) as history_from
    from histories h
    join coverage c on c.tenant_id = h.tenant_id
    where c.status = 'complete'
        and c.dataset = case when h.has_audit = 1 then 'usage.audit' else 'usage.calls' end
    group by h.tenant_id
),
changes as (
    select
        u.tenant_id,
        coalesce(i.identity_key, n.identity_key) as identity_key,
        max(cast(u.occurred_at as date)) as day
    from usage u
    left join identity_facts i on i.identity_id = u.target
    left join identity_facts n on n.tenant_id = u.tenant_id and n.native_id = u.target
    where u.kind in ('grant_change', 'role_change')
        and coalesce(u.outcome, 'success') = 'success'
    group by u.tenant_id, coalesce(i.identity_key, n.identity_key)
),
given_later as (
    select
        m.identity_key,
        count(*) as changes
    from movers m
    join changes c on c.tenant_id = m.tenant_id
    where (c.identity_key is null or c.identity_key = m.identity_key)
        and c.day > cast(m.changed_at as date)
    group by m.identity_key
),
dated_before as (
    select
        m.identity_key,
        count(*) as grants
    from movers m
    join package_excess e on e.identity_key = m.identity_key
    join grants g on g.identity_key = m.identity_key and g.permission = e.statement
    where e.certainty = 'definite'
        and g.granted_at < m.changed_at
        and coalesce(g.expires_at > $as_of, true)
    group by m.identity_key
),
judged as (
    select
        m.*,
        b.level as level_beyond,
        b.verbs,
        b.first_verb,
        case
            when m.changed_at >= $mover_days_before then 0
            when m.created_at >= m.changed_at then 0
            when b.identity_key is null then 0
            when d.grants > 0 then 1
            when b.sure = 0 then 11
            when z.history_from is null or z.history_from > m.changed_at then 12
            when l.changes > 0 then 13
            else 1
        end as state
    from movers m
    left join beyond b on b.identity_key = m.identity_key
    left join horizons z on z.tenant_id = m.tenant_id
    left join dated_before d on d.identity_key = m.identity_key
    left join given_later l on l.identity_key = m.identity_key
)
select
    j.identity_id as subject_id,
    j.tenant_id,
    case when j.state = 1 then 'fail' when j.state > 10 then 'unknown' else 'pass' end as outcome,
    case when j.level_beyond >= 4 then 'high' else 'medium' end as severity,
    j.name as identity,
    j.kind,
    coalesce(j.partner_name, j.partner) as partner,
    case when j.verbs > 1 then cast(j.verbs as varchar) || ' kinds of rights' else 'the right to ' || j.first_verb end as rights,
    j.changed_what || ' changed on ' || substr(cast(j.changed_at as varchar), 1, 10) as change,
    case j.state
        when 11 then 'whether they are beyond its packages depends on something'
        when 12 then 'the log does not reach back to the change'
        when 13 then 'rights were given afterwards too'
    end as doubt,
    j.level_beyond as highest_level_beyond,
    j.created_at as created
from judged j
