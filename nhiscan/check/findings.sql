-- What was judged, joined with whose it is, scored, and merged with the scan before. An unknown outcome has no score: nothing
-- was established. A finding that was once a fail keeps its score and its first day while it cannot be judged; it is fixed only
-- where everything that says so was read, and stays fixed until it fails again.
-- One kind of subject after the other: joined all at once, a million findings do not fit the memory limit.
create or replace temp view run_described as
select
    j.finding_id,
    j.rule_id,
    r.subject as subject_kind,
    j.subject_id,
    split_part(j.tenant_id, ':', 1) as provider,
    j.tenant_id,
    j.outcome,
    coalesce(j.severity, r.severity) as severity,
    r.confidence,
    coalesce(j.exposure, r.exposure) as exposure,
    r.floor_at,
    j.message,
    j.uncovered
from run_judged j
join run_rules r on r.rule_id = j.rule_id;
create or replace temp table run_owned as
select
    d.*,
    i.name as subject_name,
    d.subject_id as identity_id,
    i.partner_id,
    i.owner_mail,
    i.level,
    i.level_high,
    i.partner_risk as risk
from run_described d
left join identity_facts i on i.identity_id = d.subject_id
where d.subject_kind = 'identity';
insert into run_owned by name
select
    d.*,
    c.kind || ' ' || c.native_id as subject_name,
    c.identity_id,
    i.partner_id,
    i.owner_mail,
    i.level,
    i.level_high,
    i.partner_risk as risk
from run_described d
left join credential_facts c on c.credential_id = d.subject_id
left join identity_facts i on i.identity_key = c.identity_key
where d.subject_kind = 'credential';
insert into run_owned by name
select
    d.* replace (null as provider, null as tenant_id),
    coalesce(p.name, d.subject_id) as subject_name,
    d.subject_id as partner_id,
    p.business_owner as owner_mail,
    p.level,
    p.level as level_high,
    p.risk
from run_described d
left join partner_facts p on p.partner_id = d.subject_id
where d.subject_kind = 'partner';
insert into run_owned by name
select
    d.*,
    coalesce(t.name, d.subject_id) as subject_name
from run_described d
left join tenants t on t.tenant_id = d.subject_id
where d.subject_kind = 'tenant';
insert into run_owned by name
with others as (
    select 'resource' as kind, resource_id as subject_id, name, partner_id, owner_mail, level from resource_facts
    union all
    select 'policy', policy_id, name, partner_id, null, null from policy_facts
    union all
    select 'integration', integration_id, name, partner_id, null, level from integration_facts
    union all
    select 'role', role_id, name, null, null, null from role_facts
    union all
    select 'setting', s.setting_id, s.name || coalesce(' of ' || coalesce(r.name, s.applies_to), ''), null, null, null
    from setting_facts s
    left join role_facts r on r.role_id = s.applies_to
    union all
    select
        'acceptance',
        acceptance_id,
        'acceptance ' || acceptance_id || ' of ' || rule_id || coalesce(' on ' || subject_name, ''),
        partner_id,
        owner_mail,
        level
    from acceptance_facts
)
select
    d.*,
    o.name as subject_name,
    o.partner_id,
    o.owner_mail,
    o.level,
    o.level as level_high,
    p.risk
from run_described d
left join others o on o.kind = d.subject_kind and o.subject_id = d.subject_id
left join partner_facts p on p.partner_id = o.partner_id
where d.subject_kind in ('resource', 'policy', 'integration', 'role', 'setting', 'acceptance');
insert into run_owned by name
select
    d.*,
    replace(l.kind, '_', ' ') || ' in ' || l.resource_name as subject_name,
    l.identity_id,
    l.partner_id,
    l.owner_mail,
    i.level,
    i.level_high,
    p.risk
from run_described d
left join leak_facts l on l.leak_id = d.subject_id
left join identity_facts i on i.identity_id = l.identity_id
left join partner_facts p on p.partner_id = l.partner_id
where d.subject_kind = 'leak';
drop view run_described;
insert into findings by name
with scored as (
    select
        * exclude (exposure, level, level_high, risk, floor_at),
        case
            when outcome = 'fail'
                then risk_score(
                    severity, exposure, coalesce(privilege_factor(level), 0.7), coalesce(risk, 0.7), floor_at
                )
        end as score,
        case
            when outcome = 'fail'
                then risk_score(
                    severity, exposure, coalesce(privilege_factor(level), 0.1), coalesce(risk, 0.1), floor_at
                )
        end as score_low,
        case
            when outcome = 'fail'
                then risk_score(
                    severity,
                    exposure,
                    -- A level that could not be decided may still be higher than the one that was established.
                    case
                        when level is null or level_high is null then 1.0
                        else privilege_factor(greatest(level, level_high))
                    end,
                    coalesce(risk, 1.0),
                    floor_at
                )
        end as score_high,
        case
            when outcome <> 'fail' then null
            when level is null or risk is null then lower_band(score_band(score), severity)
            else score_band(score)
        end as band
    from run_owned
),
merged as (
    select
        f.* exclude (score, score_low, score_high, band, severity),
        coalesce(p.is_established and f.outcome = 'unknown', false) as is_kept,
        case when is_kept then p.severity else f.severity end as severity,
        case when is_kept then p.score else f.score end as score,
        case when is_kept then p.score_low else f.score_low end as score_low,
        case when is_kept then p.score_high else f.score_high end as score_high,
        case when is_kept then p.band else f.band end as band,
        case
            when p.is_established or (f.outcome = 'unknown' and p.status <> 'fixed') then p.first_seen
            else s.as_of
        end as first_seen,
        case when is_kept then p.last_seen else s.as_of end as last_seen,
        case
            when p.status = 'fixed' then case when f.outcome = 'fail' then 'reopened' else 'fixed' end
            when p.status = 'reopened' then 'reopened'
            else 'open'
        end as status
    from scored f
    cross join scans s
    left join run_previous p on p.finding_id = f.finding_id
    union all by name
    select
        p.* exclude (is_established, is_standing, case_id, outcome, status, uncovered, acceptance_id),
        case when p.status = 'fixed' or v.uncovered is null then 'fail' else 'unknown' end as outcome,
        case
            when p.status = 'fixed' or v.uncovered is null then 'fixed'
            when p.status = 'reopened' then 'reopened'
            else 'open'
        end as status,
        case when p.status <> 'fixed' then v.uncovered end as uncovered
    from run_previous p
    join run_vanished v on v.finding_id = p.finding_id
    where p.is_established
),
accepted as (
    select
        a.rule_id,
        a.subject_id,
        min(a.acceptance_id) as acceptance_id
    from acceptances a
    cross join scans s
    where trim(a.approved_by) <> ''
        -- where the register lists no people, the rules about acceptances cannot tell
        and lower(trim(a.approved_by)) is distinct from lower(trim(a.requested_by))
        and trim(a.reason) <> ''
        and trim(a.compensating_control) <> ''
        and a.expires_at >= cast(s.as_of as date)
        and coalesce(a.approved_at <= s.as_of, true)
        -- what else makes an acceptance void is said by the rules about acceptances alone
        and a.acceptance_id not in (
            select j.subject_id
            from run_judged j
            join run_rules r on r.rule_id = j.rule_id
            where r.subject = 'acceptance'
                and j.outcome = 'fail'
        )
    group by a.rule_id, a.subject_id
)
select
    m.* exclude (is_kept, status),
    case when m.status <> 'fixed' and a.acceptance_id is not null then 'accepted' else m.status end as status,
    case when m.status <> 'fixed' then a.acceptance_id end as acceptance_id,
    case
        when m.outcome = 'fail' and m.status <> 'fixed'
            then case_id_of(m.subject_kind, coalesce(m.identity_id, m.subject_id))
    end as case_id
from merged m
left join accepted a on a.rule_id = m.rule_id and a.subject_id = m.subject_id;
