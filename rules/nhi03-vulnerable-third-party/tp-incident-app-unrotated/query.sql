-- Apps of partners that had an incident, with the tokens that they hold as anybody; of several incidents the one that says most
-- decides.
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
-- an app that two partners claim is a question, one that is asserted for two is of both
hit as (
    select distinct
        f.identity_id,
        f.tenant_id,
        f.name,
        f.kind,
        a.verdict,
        d.incident_id,
        d.partner_id,
        d.scope,
        d.severity,
        d.closed_at,
        d.disclosed_at
    from dated d
    join identity_partners a on a.partner_id = d.partner_id
    join identity_facts f on f.identity_key = a.identity_key
    where a.verdict in ('asserted', 'conflict')
        and not coalesce(f.is_provider_owned, false)
),
counted as (
    select
        h.identity_id,
        h.tenant_id,
        h.name,
        h.kind,
        h.verdict,
        h.incident_id,
        h.partner_id,
        h.scope,
        h.severity,
        h.closed_at,
        h.disclosed_at,
        count(*) as live_tokens,
        count(distinct c.identity_key) as users,
        sum(case when c.created_at < h.disclosed_at then 1 else 0 end) as old_tokens,
        sum(case when c.created_at is null then 1 else 0 end) as undated,
        min(c.created_at) as oldest,
        max(c.last_used_at) as last_used
    from hit h
    join credential_facts c on c.app_id = h.identity_id
    where c.is_live
    group by
        h.identity_id,
        h.tenant_id,
        h.name,
        h.kind,
        h.verdict,
        h.incident_id,
        h.partner_id,
        h.scope,
        h.severity,
        h.closed_at,
        h.disclosed_at
),
judged as (
    select
        c.*,
        case
            when c.disclosed_at >= $rotate_hours_before then 3
            when c.old_tokens = 0 and c.undated = 0 and c.disclosed_at is not null then 3
            when c.disclosed_at is null or c.scope is null or c.verdict = 'conflict' or c.old_tokens = 0 then 2
            else 1
        end as rank
    from counted c
),
placed as (
    select
        j.*,
        row_number() over (
            partition by j.identity_id
            order by j.rank, j.disclosed_at desc, j.incident_id, j.partner_id, j.verdict
        ) as place
    from judged j
)
select
    j.identity_id as subject_id,
    j.tenant_id,
    case j.rank when 1 then 'fail' when 2 then 'unknown' else 'pass' end as outcome,
    j.name as app,
    j.kind,
    j.old_tokens,
    j.live_tokens,
    j.users,
    coalesce(p.name, j.partner_id) as partner,
    j.incident_id as incident,
    j.scope as incident_scope,
    j.severity as incident_severity,
    j.disclosed_at as disclosed,
    j.closed_at as incident_closed,
    j.oldest as oldest_token_of,
    case when j.last_used > j.disclosed_at then j.last_used end as used_since,
    case
        when j.rank = 1 then null
        when j.verdict = 'conflict' then 'two partners claim the app'
        when j.disclosed_at is null then 'the incident has no day'
        when j.scope is null then 'the register does not say what the incident hit'
        else 'the day of their creation is not known'
    end as open_question
from placed j
left join partner_facts p on p.partner_id = j.partner_id
where j.place = 1
