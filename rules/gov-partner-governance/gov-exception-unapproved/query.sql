-- Acceptances of what is still found. Who may accept what is judged once anybody in the register may accept anything; then
-- somebody who is not on the list may not.
with entitled as (
    select max(case when field = 'can_approve' and filled > 0 then 1 else 0 end) as is_declared
    from register_fields
    where holds = 'people'
),
looked as (
    select
        a.*,
        f.severity as accepted_severity,
        case
            when a.approved_by is null then 'nobody approved it'
            when a.approved_at > $as_of
                then 'its approval is dated ' || substr(cast(a.approved_at as varchar), 1, 10) || ' and still to come'
            when a.approved_by = a.requested_by then a.approved_by || ' approved what they had asked for'
            when not a.has_reason then 'it gives no reason'
            when not a.has_control then 'it names no compensating control'
            when a.approver_side = 'partner' then a.approved_by || ', who approved it, is a person of a partner'
            when e.is_declared = 1
                and ';' || replace(lower(coalesce(a.approver_can_approve, '')), ' ', '') || ';' not like '%;' || f.severity || ';%'
                then a.approved_by || ', who approved it, may not accept findings of severity ' || f.severity
        end as problem
    from acceptance_facts a
    join acceptance_findings f on f.acceptance_id = a.acceptance_id
    cross join entitled e
)
select
    l.acceptance_id as subject_id,
    l.tenant_id,
    case
        when l.problem is not null then 'fail'
        when l.requested_by is null then 'unknown'
        else 'pass'
    end as outcome,
    l.acceptance_id as acceptance,
    l.rule_id as rule,
    coalesce(l.subject_name, l.subject_id) as accepted,
    l.problem,
    l.accepted_severity,
    l.partner_name as partner,
    l.requested_by,
    l.approved_by,
    l.approver_status,
    l.approver_can_approve as approver_may_accept,
    l.reason,
    l.register_row as acceptance_in_the_register
from looked l
