-- One row an acceptance
delete from acceptance_facts;

insert into acceptance_facts by name
with subjects as (
    select identity_id as subject_id, name, partner_id, level from identity_facts
    union all
    select credential_id, kind || ' ' || native_id, partner_id, level from credential_facts
    union all
    select partner_id, name, partner_id, level from partner_facts
    union all
    select tenant_id, name, null, null from tenants
    union all
    select resource_id, name, partner_id, level from resource_facts
    union all
    select policy_id, name, partner_id, null from policy_facts
    union all
    select integration_id, name, partner_id, level from integration_facts
    union all
    select role_id, name, null, null from role_facts
    union all
    select setting_id, name, null, null from setting_facts
    union all
    select leak_id, replace(kind, '_', ' ') || ' in ' || resource_name, partner_id, level from leak_facts
),
named as (
    select s.*
    from subjects s
    where s.subject_id in (select subject_id from acceptances)
    qualify row_number() over (partition by s.subject_id order by s.name, s.partner_id) = 1
),
approvers as (
    select lower(trim(mail)) as mail,
        min(coalesce(side, case when partner_id <> '' then 'partner' end)) as side,
        string_agg(distinct can_approve, ';' order by can_approve) as can_approve
    from people
    group by lower(trim(mail))
)
select a.acceptance_id,
    'register:main' as tenant_id,
    a.rule_id,
    a.subject_id,
    n.name as subject_name,
    coalesce(a.partner_id, n.partner_id) as partner_id,
    p.name as partner_name,
    r.mail as owner_mail,
    n.level,
    r.mail as requested_by,
    g.mail as approved_by,
    g.person_status as approver_status,
    k.side as approver_side,
    k.can_approve as approver_can_approve,
    coalesce(trim(a.compensating_control), '') <> '' as has_control,
    coalesce(trim(a.reason), '') <> '' as has_reason,
    a.approved_at,
    (a.expires_at + 1)::timestamp as expires_at,
    a.expires_at - a.approved_at::date as runs_days,
    a.renewals,
    a.reason,
    a.register_row
from (
    select *
    from acceptances
    qualify row_number() over (partition by acceptance_id order by register_row, rule_id, subject_id) = 1
) a
left join named n using (subject_id)
left join owner_answers g on g.text = a.approved_by
left join owner_answers r on r.text = a.requested_by
left join approvers k on k.mail = g.mail
left join partner_facts p on p.partner_id = coalesce(a.partner_id, n.partner_id)
order by a.acceptance_id
