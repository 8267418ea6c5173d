-- Acceptances of what is still found: an old one of what was mended meanwhile is history, and so is one that has run out and that
-- a later one of the same finding follows. No number of renewals means none.
with looked as (
    select
        a.*,
        f.severity as accepted_severity,
        case
            when a.expires_at is null then 'it has no end, or none that can be read'
            when a.expires_at <= $as_of then 'it has run out'
            when a.runs_days > $max_exception_days
                then 'it runs ' || cast(a.runs_days as varchar) || ' days from its approval, and '
                    || cast($max_exception_days as varchar) || ' are allowed'
            when a.renewals > $max_renewals
                then 'it was prolonged ' || cast(a.renewals as varchar) || ' times, and ' || cast($max_renewals as varchar)
                    || ' is allowed'
        end as problem
    from acceptance_facts a
    join acceptance_findings f on f.acceptance_id = a.acceptance_id
    where coalesce(a.expires_at > $as_of, true)
        or not exists (
            select 1
            from acceptance_facts n
            where n.rule_id = a.rule_id
                and n.subject_id = a.subject_id
                and n.approved_at > a.approved_at
        )
)
select
    l.acceptance_id as subject_id,
    l.tenant_id,
    case
        when l.problem is not null then 'fail'
        when l.runs_days is null then 'unknown'
        else 'pass'
    end as outcome,
    case when l.accepted_severity in ('high', 'critical') then 'high' else 'medium' end as severity,
    l.acceptance_id as acceptance,
    l.rule_id as rule,
    coalesce(l.subject_name, l.subject_id) as accepted,
    l.problem,
    l.accepted_severity,
    l.partner_name as partner,
    l.approved_by,
    l.approved_at,
    l.expires_at as valid_before,
    l.renewals,
    l.reason,
    l.register_row as acceptance_in_the_register
from looked l
