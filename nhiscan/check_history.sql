-- Merged with the scan before. A finding that was once a fail keeps its score and its first day while it cannot be
-- judged; it is fixed only where everything that says so was read.
insert into findings by name
with accepted as (
    select
        a.rule_id,
        a.subject_id,
        min(a.acceptance_id) as acceptance_id
    from acceptances a
    cross join scans s
    where trim(a.approved_by) <> ''
        and trim(a.reason) <> ''
        and trim(a.compensating_control) <> ''
        and a.expires_at >= cast(s.as_of as date)
    group by a.rule_id, a.subject_id
),
merged as (
    select
        f.* exclude (score, score_low, score_high, band, severity, case_id, is_factor_unknown),
        case when f.outcome = 'fail' then f.case_id end as case_id,
        p.is_standing and f.outcome = 'unknown' as is_kept,
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
            when f.outcome = 'fail' and p.status = 'fixed' then 'reopened'
            when p.status = 'reopened' then 'reopened'
            else 'open'
        end as status
    from run_findings f
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
)
select
    m.* exclude (is_kept, status),
    case when m.status <> 'fixed' and a.acceptance_id is not null then 'accepted' else m.status end as status,
    case when m.status <> 'fixed' then a.acceptance_id end as acceptance_id
from merged m
left join accepted a on a.rule_id = m.rule_id and a.subject_id = m.subject_id;
