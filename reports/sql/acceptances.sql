-- with what each acceptance covers in this scan
select a.acceptance_id, a.rule_id, a.subject_id, a.partner_id, a.reason, a.compensating_control, a.requested_by,
       a.approved_by, a.approved_at, a.expires_at, a.register_row,
       f.identity_id, coalesce(f.partner_id, a.partner_id) as of_partner_id, f.severity, f.message,
       f.finding_id is not null as is_in_force
from acceptances a
left join (
    select acceptance_id, min(finding_id) as finding_id, min(identity_id) as identity_id, min(partner_id) as partner_id,
           min(severity) as severity, min(message) as message
    from findings
    where acceptance_id is not null and status = 'accepted'
    group by acceptance_id
) f on f.acceptance_id = a.acceptance_id
order by a.acceptance_id, a.register_row
