-- Fails on one identity, partner or tenant are one case: the worst open one leads, the others add slowly.
insert into cases by name
with grouped as (
    select
        f.case_id,
        count(*) as findings,
        roll_up(max(f.score), sum(f.score)) as score,
        roll_up(max(f.score_low), sum(f.score_low)) as score_low,
        arg_max(f.severity, severity_rank(f.severity)) as severity,
        bool_or(f.score_low < f.score) as is_factor_unknown,
        bool_and(f.status = 'accepted') as is_accepted,
        bool_or(f.status = 'reopened') as is_reopened,
        min(f.first_seen) as first_seen,
        arg_min(
            f.finding_id,
            row(
                f.status = 'accepted',
                -severity_rank(f.severity),
                -f.score_low,
                -r.tie_break,
                f.first_seen,
                f.finding_id
            )
        ) as lead_finding_id
    from findings f
    join run_rules r on r.rule_id = f.rule_id
    where f.case_id is not null
    group by f.case_id
),
standing as (
    select distinct case_id
    from run_previous
    where is_standing
)
select
    g.case_id,
    case when l.subject_kind = 'credential' or l.identity_id is not null then 'identity' else l.subject_kind end as subject_kind,
    coalesce(l.identity_id, l.subject_id) as subject_id,
    coalesce(i.name, l.subject_name) as subject_name,
    l.provider,
    l.tenant_id,
    l.partner_id,
    l.owner_mail,
    l.finding_id as lead_finding_id,
    l.rule_id as lead_rule_id,
    l.message,
    l.severity,
    g.score,
    g.score_low,
    case when g.is_factor_unknown then lower_band(score_band(g.score), g.severity) else score_band(g.score) end as band,
    g.findings,
    case when g.is_accepted then 'accepted' when g.is_reopened then 'reopened' else 'open' end as status,
    p.case_id is null as is_new,
    g.first_seen
from grouped g
join findings l on l.finding_id = g.lead_finding_id
left join identity_facts i on i.identity_id = l.identity_id
left join standing p on p.case_id = g.case_id;
