-- Fails on one identity, partner or tenant are one case: the worst open one leads, the others add slowly.
insert into cases by name
with ranked as (
    select
        f.*,
        coalesce(f.identity_id, f.subject_id) as about,
        coalesce(u.is_factor_unknown, true) as is_factor_unknown,
        row_number() over (
            partition by f.case_id
            order by
                f.status = 'accepted',
                severity_rank(f.severity) desc,
                f.score_low desc,
                r.tie_break desc,
                f.first_seen,
                f.finding_id
        ) as place
    from findings f
    join run_rules r on r.rule_id = f.rule_id
    left join run_findings u on u.finding_id = f.finding_id
    where f.case_id is not null
),
grouped as (
    select
        case_id,
        count(*) as findings,
        roll_up(max(score), sum(score)) as score,
        roll_up(max(score_low), sum(score_low)) as score_low,
        max(severity_rank(severity)) as highest,
        bool_or(is_factor_unknown) as is_factor_unknown,
        bool_and(status = 'accepted') as is_accepted,
        bool_or(status = 'reopened') as is_reopened,
        min(first_seen) as first_seen
    from ranked
    group by case_id
)
select
    g.case_id,
    case when l.subject_kind = 'credential' then 'identity' else l.subject_kind end as subject_kind,
    l.about as subject_id,
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
    case
        when g.is_factor_unknown and severity_rank(score_band(g.score)) > g.highest
            then case g.highest when 5 then 'critical' when 4 then 'high' when 3 then 'medium' when 2 then 'low' else 'info' end
        else score_band(g.score)
    end as band,
    g.findings,
    case when g.is_accepted then 'accepted' when g.is_reopened then 'reopened' else 'open' end as status,
    not exists (select 1 from run_previous p where p.case_id = g.case_id and p.is_standing) as is_new,
    g.first_seen
from grouped g
join ranked l on l.case_id = g.case_id and l.place = 1
left join identity_facts i on i.identity_id = l.about;
