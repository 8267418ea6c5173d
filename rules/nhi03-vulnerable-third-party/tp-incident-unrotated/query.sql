-- Live credentials of identities of partners that had an incident; of several incidents the one that says most decides. Tokens that
-- an app of the same partner holds are told of the app, since they are revoked with it.
with dated as (
    select
        n.incident_id,
        n.partner_id,
        n.scope,
        n.severity,
        n.closed_at,
        coalesce(n.disclosed_at, n.opened_at) as disclosed_at
    from incidents n
    where n.partner_id is not null
        and (n.scope is null or lower(n.scope) in $scopes)
        and coalesce(n.disclosed_at <= $as_of, n.opened_at <= $as_of, true)
        and coalesce(n.disclosed_at >= $lookback_days_before, n.opened_at >= $lookback_days_before, true)
),
-- an identity that two partners claim is a question, one that is asserted for two is of both
hit as (
    select distinct
        a.identity_key,
        a.verdict,
        d.incident_id,
        d.partner_id,
        d.scope,
        d.severity,
        d.closed_at,
        d.disclosed_at
    from dated d
    join identity_partners a on a.partner_id = d.partner_id
    where a.verdict in ('asserted', 'conflict')
),
judged as (
    select
        c.credential_id,
        c.tenant_id,
        c.kind,
        c.native_id,
        c.identity_name,
        c.created_at,
        c.last_used_at,
        h.incident_id,
        h.partner_id,
        h.scope,
        h.severity,
        h.disclosed_at,
        h.closed_at,
        case
            when c.created_at >= h.disclosed_at then 3
            when h.disclosed_at >= $rotate_hours_before then 3
            when h.disclosed_at is null or c.created_at is null or h.scope is null or h.verdict = 'conflict' then 2
            else 1
        end as rank,
        h.verdict
    from hit h
    join credential_facts c on c.identity_key = h.identity_key
    where c.is_live
        and not exists (
            select 1
            from identity_facts f
            join identity_partners a on a.identity_key = f.identity_key
            where f.identity_id = c.app_id
                and a.partner_id = h.partner_id
                and a.verdict in ('asserted', 'conflict')
        )
),
placed as (
    select
        j.*,
        row_number() over (
            partition by j.credential_id
            order by j.rank, j.disclosed_at desc, j.incident_id, j.partner_id, j.verdict
        ) as place
    from judged j
)
select
    j.credential_id as subject_id,
    j.tenant_id,
    case j.rank when 1 then 'fail' when 2 then 'unknown' else 'pass' end as outcome,
    j.kind,
    j.native_id,
    j.identity_name as identity,
    coalesce(p.name, j.partner_id) as partner,
    j.incident_id as incident,
    j.scope as incident_scope,
    j.severity as incident_severity,
    j.disclosed_at as disclosed,
    j.closed_at as incident_closed,
    j.created_at as created,
    case when j.last_used_at > j.disclosed_at then j.last_used_at end as used_since,
    case
        when j.rank = 1 then null
        when j.verdict = 'conflict' then 'two partners claim the identity'
        when j.disclosed_at is null then 'the incident has no day'
        when j.scope is null then 'the register does not say what the incident hit'
        else 'the day of its creation is not known'
    end as open_question
from placed j
left join partner_facts p on p.partner_id = j.partner_id
where j.place = 1
