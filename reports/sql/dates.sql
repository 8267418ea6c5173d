-- Days on which something of a partner falls due: open ones, past or ahead. After the end of the contract nothing is renewed.
with ended as (
    select partner_id from partner_facts where is_ended and contracts > 0
)
select d.partner_id, d.falls_on, d.what
from (
    select c.partner_id, coalesce(e.due, e.occurred + 7) as falls_on,
           'checkpoint after ' || replace(lower(e.type), '_', ' ') || ' of contract ' || e.contract_id
           || coalesce(' (' || e.ticket || ')', '') as what
    from contract_events e
    join contracts c on c.contract_id = e.contract_id
    left join event_checkpoints k
        on k.contract_id = e.contract_id
        and k.type = lower(e.type)
        and k.occurred = e.occurred
        and k.held_at is not null
        and case k.kind
            when 'offboarding' then k.is_of_contract or coalesce(k.closed_at >= e.occurred, true)
            else k.days_after >= -30 and coalesce(k.scope, 'access') in ('access', 'package')
        end
    where coalesce(e.done > (select cast(as_of as date) from scans), true)
      and k.contract_id is null
      and lower(e.type) not in ('signed', 'amended')
    union
    select c.partner_id, coalesce(c.terminated_on, c.end_date),
           'contract ' || c.contract_id || case
               when c.terminated_on is null and c.auto_renew and c.notice_date is null then ' renews itself'
               when c.notice_date is not null then ' ends, notice was given'
               else ' ends'
           end
    from contracts c
    cross join scans s
    where coalesce(c.terminated_on, c.end_date) >= s.as_of::date
    union
    select a.partner_id, a.valid_to,
           'attestation' || coalesce(' of ' || string_agg(replace(a.kind, '_', ' '), ', ' order by a.kind), '') || ' runs out'
    from (select partner_id, kind, max(valid_to) as valid_to from attestations group by partner_id, kind) a
    where a.partner_id not in (select partner_id from ended)
    group by a.partner_id, a.valid_to
    union
    select r.partner_id, (r.completed_at + to_days(r.review_days::int))::date, 'review of ' || r.scope || ' is due'
    from review_facts r
    where r.review_days is not null
    union
    select partner_id, opened_at::date, 'review of ' || coalesce(scope, 'access') || ' is open'
    from reviews
    where completed_at is null
      and partner_id not in (select partner_id from ended)
    union
    select partner_id, due_diligence_valid_to, 'due diligence runs out'
    from partners
    where partner_id not in (select partner_id from ended)
    union
    select a.partner_id, a.expires_at, 'package ' || a.package_id || ' runs out'
    from package_assignments a
    cross join scans s
    where a.expires_at >= s.as_of::date
      and a.partner_id not in (select partner_id from ended)
    union
    select a.partner_id, a.expires_at, 'accepted risk ' || a.acceptance_id || ' runs out'
    from acceptances a
    cross join scans s
    where a.expires_at >= s.as_of::date
    union
    select partner_id, due_at::date, 'offboarding ' || offboarding_id || ' is due' from offboarding_facts where closed_at is null
) d
where d.falls_on is not null
  and d.partner_id is not null
order by d.partner_id, d.falls_on, d.what
