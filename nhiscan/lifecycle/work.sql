-- What waits for somebody's decision at $at: one row a decision, due or due within $ahead_days. People answer by their
-- present address. A date of the register means the end of that day; what is to be done after $at waits like what has no day.
with mails as (
    select lower(mail) as written, min(mail) as mail from people group by lower(mail)
    union all
    select lower(old_mail), min(mail)
    from person_mails
    where lower(old_mail) not in (select lower(mail) from people)
    group by lower(old_mail)
),
-- who answers for a partner's end: whoever has that stage, else its business owner
enders as (
    select lower(trim(owned)) as partner_id, min(mail) as mail
    from ownerships
    where owned_kind = 'partner' and role = 'stage:offboarding'
    group by lower(trim(owned))
),
partner_of as (
    select p.partner_id, p.name, p.business_owner, coalesce(e.mail, p.business_owner) as ender, p.has_access, p.is_ended
    from partner_facts p
    left join enders e on e.partner_id = lower(p.partner_id)
),
opened as (
    select o.offboarding_id, o.partner_id, o.opened_at,
        coalesce(o.closed_at <= $at, false) as is_closed,
        coalesce(o.verified_at <= $at, false) as is_verified,
        coalesce(o.due_at, o.opened_at + to_hours(c.revoke_sla_hours)) as due_at
    from offboardings o
    left join contracts c on c.contract_id = o.contract_id
),
statements as (
    select partner_id, valid_to, string_agg(replace(kind, '_', ' '), ', ' order by kind) as kinds, max(attested_at) as attested_at
    from (
        select partner_id, kind, max(valid_to) as valid_to, max(attested_at) as attested_at
        from attestations
        where valid_to is not null
        group by partner_id, kind
    )
    group by partner_id, valid_to
),
reviewed as (
    select partner_id, max(completed_at) as completed_at
    from reviews
    where scope in ('access', 'package')
        and completed_at <= $at
    group by partner_id
),
cadence as (
    select a.partner_id, min(p.review_days) as review_days, min(a.assigned_at) as assigned_at,
        string_agg(distinct p.name, ', ' order by p.name) as packages
    from package_assignments a
    join packages p on p.package_id = a.package_id
    where p.review_days is not null
        and coalesce(a.expires_at >= cast($at as date), true)
    group by a.partner_id
),
found as (
    select 'case' as kind, c.case_id as item_id, c.owner_mail as mail, c.partner_id, c.band, c.score_low as score,
        c.subject_name, c.message as what,
        r.fix as next_step, c.first_seen as since,
        c.first_seen + case c.band
            when 'critical' then to_days(1) when 'high' then to_days(7) when 'medium' then to_days(30) when 'low' then to_days(90)
        end as due_at
    from cases c
    left join rules r on r.rule_id = c.lead_rule_id
    where c.status in ('open', 'reopened')
    union all
    select 'offboarding step', s.offboarding_id || '/' || s.step, p.ender, o.partner_id, null, null,
        coalesce(s.target_id, s.target_kind), replace(s.action, '_', ' ') || coalesce(': ' || s.target_id, ''),
        'do it, and write down when and by whom', o.opened_at, o.due_at
    from offboarding_steps s
    join opened o on o.offboarding_id = s.offboarding_id
    left join partner_of p on p.partner_id = o.partner_id
    where coalesce(s.done_at > $at, true)
    union all
    select 'offboarding', o.offboarding_id, p.ender, o.partner_id, null, null, o.offboarding_id,
        case when o.is_closed then 'verify offboarding ' || o.offboarding_id else 'close offboarding ' || o.offboarding_id end,
        'run `nhiscan partner verify`', o.opened_at, o.due_at
    from opened o
    left join partner_of p on p.partner_id = o.partner_id
    where not (o.is_closed and o.is_verified)
    union all
    select 'attestation', s.partner_id || '/' || s.valid_to, p.business_owner, s.partner_id, null, null, p.name,
        'ask for new statements on ' || s.kinds, 'run `nhiscan attest request`', s.attested_at,
        cast(s.valid_to as timestamp) + to_days(1)
    from statements s
    join partner_of p on p.partner_id = s.partner_id
    where coalesce(p.has_access, true) and not coalesce(p.is_ended, false)
    union all
    select 'review', v.review_id, coalesce(v.reviewer, p.business_owner), v.partner_id, null, null, coalesce(p.name, 'all partners'),
        'finish the review of ' || coalesce(v.scope, 'access'), 'run `nhiscan review record`', v.opened_at,
        cast(null as timestamp)
    from reviews v
    left join partner_of p on p.partner_id = v.partner_id
    where coalesce(v.completed_at > $at, true)
    union all
    select 'review', c.partner_id || '/package', p.business_owner, c.partner_id, null, null, p.name,
        'review package ' || c.packages || ' every ' || c.review_days || ' days', 'run `nhiscan review record`',
        coalesce(v.completed_at, cast(c.assigned_at as timestamp)),
        coalesce(v.completed_at, cast(c.assigned_at as timestamp)) + to_days(c.review_days)
    from cadence c
    join partner_of p on p.partner_id = c.partner_id
    left join reviewed v on v.partner_id = c.partner_id
    where coalesce(p.has_access, true) and coalesce(v.completed_at, cast(c.assigned_at as timestamp)) is not null
    union all
    select 'acceptance', a.acceptance_id, coalesce(a.owner_mail, a.approved_by), a.partner_id, null, null,
        coalesce(a.subject_name, a.subject_id), 'end or renew the acceptance of ' || a.rule_id,
        'mend what was accepted, or run `nhiscan accept` again', a.approved_at, a.expires_at
    from acceptance_facts a
    where exists (
        select 1 from findings f
        where f.rule_id = a.rule_id and f.subject_id = a.subject_id and f.outcome = 'fail' and f.status <> 'fixed'
    )
    union all
    select 'contract checkpoint', e.contract_id || '/' || e.type || coalesce('/' || e.occurred, ''), p.business_owner, c.partner_id,
        null, null, e.contract_id, 'check what contract ' || e.contract_id || ' still allows after ' || e.type,
        'write the day into contract_events.done', cast(e.occurred as timestamp),
        cast(e.due as timestamp) + to_days(1)
    from contract_events e
    left join contracts c on c.contract_id = e.contract_id
    left join partner_of p on p.partner_id = c.partner_id
    where e.due is not null and coalesce(e.done > cast($at as date), true)
)
select f.kind, f.item_id, coalesce(m.mail, f.mail) as owner_mail, h.status as owner_status, f.partner_id, n.name as partner_name,
    f.band, f.score, f.subject_name, f.what, f.next_step, f.since, f.due_at
from found f
left join mails m on m.written = lower(f.mail)
left join people h on lower(h.mail) = lower(coalesce(m.mail, f.mail))
left join partner_facts n on n.partner_id = f.partner_id
where f.kind = 'case' or f.due_at is null or f.due_at <= $at + to_days($ahead_days)
