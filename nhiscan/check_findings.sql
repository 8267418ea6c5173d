-- What was judged, joined with whose it is and scored. An unknown outcome has no score: nothing was established.
create or replace temp table run_findings as
with owned as (
    select
        j.finding_id,
        j.rule_id,
        r.subject as subject_kind,
        j.subject_id,
        case r.subject
            when 'identity' then i.name
            when 'credential' then c.kind || ' ' || c.native_id
            when 'partner' then p.name
            else coalesce(t.name, j.subject_id)
        end as subject_name,
        case when r.subject <> 'partner' then split_part(j.tenant_id, ':', 1) end as provider,
        case when r.subject <> 'partner' then j.tenant_id end as tenant_id,
        case r.subject when 'identity' then j.subject_id when 'credential' then c.identity_id end as identity_id,
        case r.subject when 'partner' then j.subject_id else i.partner_id end as partner_id,
        case r.subject when 'partner' then p.business_owner else i.owner_mail end as owner_mail,
        j.outcome,
        coalesce(j.severity, r.severity) as severity,
        r.confidence,
        coalesce(j.exposure, r.exposure) as exposure,
        case r.subject when 'partner' then p.level else i.level end as level,
        case r.subject when 'partner' then p.level else i.level_high end as level_high,
        case r.subject when 'partner' then p.risk else i.partner_risk end as risk,
        r.floor_at,
        j.message,
        j.uncovered
    from run_judged j
    join run_rules r on r.rule_id = j.rule_id
    left join credential_facts c on r.subject = 'credential' and c.credential_id = j.subject_id
    left join identity_facts i on i.identity_id = coalesce(c.identity_id, j.subject_id)
    left join partner_facts p on r.subject = 'partner' and p.partner_id = j.subject_id
    left join tenants t on r.subject = 'tenant' and t.tenant_id = j.subject_id
),
scored as (
    select
        *,
        level is null or risk is null as is_factor_unknown,
        risk_score(severity, exposure, coalesce(privilege_factor(level), 0.7), coalesce(risk, 0.7), floor_at) as score,
        risk_score(severity, exposure, coalesce(privilege_factor(level), 0.1), coalesce(risk, 0.1), floor_at) as score_low,
        risk_score(
            severity,
            exposure,
            -- A level that could not be decided may still be higher than the one that was established.
            case when level is null or level_high is null then 1.0 else privilege_factor(greatest(level, level_high)) end,
            coalesce(risk, 1.0),
            floor_at
        ) as score_high
    from owned
)
select
    * exclude (exposure, level, level_high, risk, floor_at, score, score_low, score_high),
    case when outcome = 'fail' then score end as score,
    case when outcome = 'fail' then score_low end as score_low,
    case when outcome = 'fail' then score_high end as score_high,
    case
        when outcome <> 'fail' then null
        when is_factor_unknown then lower_band(score_band(score), severity)
        else score_band(score)
    end as band,
    case_id_of(subject_kind, coalesce(identity_id, subject_id)) as case_id
from scored;
