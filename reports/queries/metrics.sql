-- Each metric is a list of items with a part and a whole; an item without a part is unknown. A share with more than a fifth unknown
-- is not usable, a count with anything unknown says the least there is, and a metric without items has no value.
with clock as (
    select as_of
    from scans
),
measures as (
    select * from (values
        (101, 'M-01', 'Sign-ins per account of a person in 30 days', 'mean', 1, ''),
        (201, 'M-02', 'Sign-ins that were refused in 30 days', 'share', 100, '%'),
        (301, 'M-03', 'Partners seen in use within 90 days', 'share', 100, '%'),
        (302, 'M-03', 'Partners in use and with business within 180 days', 'share', 100, '%'),
        (303, 'M-03', 'Partners in use, without business', 'share', 100, '%'),
        (304, 'M-03', 'Partners with business, not in use', 'share', 100, '%'),
        (305, 'M-03', 'Partners neither in use nor with business', 'share', 100, '%'),
        (401, 'M-04', 'Tickets about access per 100 accounts of people in 30 days', 'mean', 100, ''),
        (402, 'M-04', '… of these, forgotten passwords', 'mean', 100, ''),
        (403, 'M-04', '… of these, locked accounts', 'mean', 100, ''),
        (404, 'M-04', '… of these, requests for access', 'mean', 100, ''),
        (405, 'M-04', '… of these, questions about roles', 'mean', 100, ''),
        (406, 'M-04', '… of these, others', 'mean', 100, ''),
        (501, 'M-05', 'Days from invitation to first sign-in, median', 'median', 1, 'days'),
        (502, 'M-05', 'Invitations without a sign-in after 30 days', 'share', 100, '%'),
        (601, 'M-06', 'Machines'' identities of partners', 'count', 1, ''),
        (701, 'M-07', 'Partners'' machines with an active owner', 'share', 100, '%'),
        (702, 'M-07', 'Partners with an active business owner', 'share', 100, '%'),
        (801, 'M-08', 'Age of live replaceable credentials, mean', 'mean', 1, 'days'),
        (802, 'M-08', 'Age of live replaceable credentials, 90th percentile', 'p90', 1, 'days'),
        (901, 'M-09', 'Live credentials that never expire', 'share', 100, '%'),
        (1001, 'M-10', 'Live replaceable credentials kept in a store', 'share', 100, '%'),
        (1101, 'M-11', 'Live credentials exposed outside every store', 'count', 1, ''),
        (1301, 'M-13', 'Identities that still have access after the end of the contract', 'count', 1, ''),
        (1302, 'M-13', '… and their live credentials', 'count', 1, ''),
        (1401, 'M-14', 'Identities with more rights than needed', 'share', 100, '%'),
        (1501, 'M-15', 'Rights beyond the packages of the partner', 'share', 100, '%'),
        (1601, 'M-16', 'Delegations without an end', 'share', 100, '%'),
        (1701, 'M-17', 'Partners with access whose attestations are on time', 'share', 100, '%'),
        (1702, 'M-17', 'Partners with access whose reviews are on time', 'share', 100, '%'),
        (1703, 'M-17', 'Checkpoints of contract events held on time', 'share', 100, '%'),
        (1801, 'M-18', 'Accepted risks in force', 'count', 1, ''),
        (1802, 'M-18', '… that expire within 30 days', 'count', 1, ''),
        (1803, 'M-18', 'Accepted risks that do not count: past their date, or void', 'count', 1, ''),
        (1804, 'M-18', 'Age of accepted risks in force, mean', 'mean', 1, 'days'),
        (1805, 'M-18', 'Score of findings that are accepted, sum', 'count', 1, ''),
        (1901, 'M-19', 'Access given in the last 90 days without an approved request', 'share', 100, '%'),
        (2001, 'M-20', 'Accounts of people that one person uses', 'share', 100, '%'),
        (2101, 'M-21', 'People who sign in by single sign-on only', 'share', 100, '%'),
        (2102, 'M-21', 'People with strong rights and a second factor', 'share', 100, '%'),
        (2201, 'M-22', 'Exports in 30 days', 'count', 1, ''),
        (2202, 'M-22', '… and the rows they took', 'count', 1, ''),
        (2301, 'M-23', 'Incidents of partners in 24 months', 'count', 1, ''),
        (2302, 'M-23', '… not closed', 'count', 1, ''),
        (2303, 'M-23', 'Findings on credentials not rotated after an incident', 'count', 1, ''),
        (2401, 'M-24', 'Questions of all rules that passed', 'share', 100, '%'),
        (2501, 'M-25', 'Datasets that were read', 'share', 100, '%'),
        (2502, 'M-25', 'Questions of all rules without an answer', 'share', 100, '%')
    ) m (measure, metric, name, kind, factor, unit)
),
-- register tables that were read whole
told as (
    select replace(dataset, 'register.', '') as holds
    from coverage
    where provider = 'register'
    group by dataset
    having bool_and(status = 'complete')
),
-- how far back the history of sign-ins goes; a system without one of its own keeps them among the calls
logs as (
    select
        tenant_id,
        max(history_from) as history_from
    from coverage
    where dataset = 'usage.logins'
        or (
            dataset = 'usage.calls'
            and tenant_id not in (select tenant_id from coverage where dataset = 'usage.logins')
        )
    group by tenant_id
    having bool_and(status = 'complete')
        and bool_and(history_from is not null)
),
judged as (
    select
        rule_id,
        provider,
        evaluated,
        case when not_assessed is null then failed else 0 end as failed,
        case when not_assessed is null then passed else 0 end as passed,
        case when not_assessed is null then unknown else evaluated end as unknown
    from rule_results
),
held as (
    select
        i.*,
        coalesce(i.is_nhi, false) as is_machine
    from identity_facts i
    where i.is_partner_related
        and i.is_enabled
        and not coalesce(i.is_provider_owned, false)
),
visits as (
    select
        s.identity_key,
        count(*) filter (s.is_success and s.occurred_at >= c.as_of - interval 30 day) as successes,
        count(*) filter (not s.is_success and s.occurred_at >= c.as_of - interval 30 day) as failures,
        count(*) filter (s.is_success and s.flow is null and s.occurred_at >= c.as_of - interval 30 day) as unclear,
        count(*) filter (s.is_success and s.flow <> 'sso' and s.occurred_at >= c.as_of - interval 30 day) as others
    from sign_ins s
    cross join clock c
    group by s.identity_key
),
accounts as (
    select
        h.*,
        coalesce(v.successes, 0) as successes,
        coalesce(v.failures, 0) as failures,
        coalesce(v.unclear, 0) as unclear,
        coalesce(v.others, 0) as others,
        coalesce(l.history_from <= c.as_of - interval 30 day, false) as is_logged
    from held h
    cross join clock c
    left join visits v on v.identity_key = h.identity_key
    left join logs l on l.tenant_id = h.tenant_id
    where not h.is_machine
),
invited as (
    select
        a.partner_id,
        a.provider,
        a.invited_at,
        a.invited_at < c.as_of - interval 30 day as is_due,
        coalesce(a.last_used_known and a.last_used_at is null, false) as is_unused,
        coalesce(l.history_from <= a.invited_at, false) as is_logged,
        a.last_used_at is not null as is_used,
        (
            select min(s.occurred_at)
            from sign_ins s
            where s.identity_key = a.identity_key
                and s.is_success
                and s.occurred_at >= a.invited_at
        ) as first_at
    from accounts a
    cross join clock c
    left join logs l on l.tenant_id = a.tenant_id
    where a.invited_at is not null
),
going as (
    select
        p.*,
        case
            when u.is_used then true
            when u.is_unclear or (u.partner_id is null and p.has_access is null) then null
            else false
        end as is_used,
        p.last_commercial_activity >= c.as_of - interval 180 day as has_business
    from partner_facts p
    cross join clock c
    left join (
        select
            a.partner_id,
            bool_or(coalesce(i.last_used_at >= k.as_of - interval 90 day, false)) as is_used,
            bool_or(i.last_used_at is null and not coalesce(i.last_used_known, false)) as is_unclear
        from identity_partners a
        join identity_facts i on i.identity_key = a.identity_key
        cross join clock k
        where a.verdict = 'asserted'
        group by a.partner_id
    ) u on u.partner_id = p.partner_id
    where not coalesce(p.is_ended, false)
),
asked as (
    select
        t.partner_id,
        coalesce(t.category, 'other') as category,
        case
            when t.opened_at is null then null
            when t.opened_at between c.as_of - interval 30 day and c.as_of then 1
            else 0
        end as is_new
    from support_tickets t
    cross join clock c
),
categories as (
    select * from (values
        (402, 'password_reset'), (403, 'locked_out'), (404, 'access_request'), (405, 'role_question'), (406, 'other')
    ) c (measure, category)
),
-- a rule that answered, and what it said of a subject; no word is a pass only where it answered anything
answered as (
    select rule_id
    from judged
    group by rule_id
    having sum(passed + failed) > 0
),
said as (
    select
        rule_id,
        subject_kind,
        case when subject_kind in ('identity', 'partner', 'acceptance') then subject_id else coalesce(identity_id, subject_id) end as subject_id,
        max(case when outcome = 'fail' and status <> 'fixed' then 1 else 0 end) as is_fail,
        max(case when outcome = 'unknown' then 1 else 0 end) as is_unknown
    from findings
    group by all
),
excesses as (
    select rule_id
    from answered
    where rule_id in ('priv-unused-privileges', 'priv-package-drift', 'priv-risk-tier-mismatch', 'priv-admin-equivalent')
),
strong as (
    select
        h.identity_id,
        h.partner_id,
        h.provider,
        max(coalesce(s.is_fail, 0)) as is_fail,
        max(coalesce(s.is_unknown, 0)) as is_unknown
    from held h
    left join said s
        on s.subject_id = h.identity_id
        and s.rule_id in (select rule_id from excesses)
    where h.is_nhi is not false
    group by h.identity_id, h.partner_id, h.provider
),
packaged as (
    select
        h.identity_key,
        h.partner_id,
        h.provider,
        p.verb,
        bool_or(p.certainty = 'definite') as is_definite
    from held h
    join partner_facts f on f.partner_id = h.partner_id
    join privileges p on p.identity_key = h.identity_key
    where f.packages > 0
    group by h.identity_key, h.partner_id, h.provider, p.verb
),
beyond as (
    select
        identity_key,
        verb,
        bool_or(certainty = 'definite') as is_definite
    from package_excess
    group by identity_key, verb
),
due_partners as (
    select p.partner_id
    from partner_facts p
    where coalesce(p.has_access, true)
        and not coalesce(p.is_ended and p.contracts > 0, false)
),
-- what follows an event of a contract, by its day or within a week
checkpoints as (
    select
        c.partner_id,
        coalesce(e.due, e.occurred + 7) as due_on,
        least(case when e.done <= (select cast(as_of as date) from scans) then e.done end, min(cast(k.held_at as date))) as held_on
    from contract_events e
    join contracts c on c.contract_id = e.contract_id
    left join event_checkpoints k
        on k.contract_id = e.contract_id
        and k.type = lower(e.type)
        and k.occurred = e.occurred
        and case k.kind
            when 'offboarding' then k.is_of_contract or coalesce(k.closed_at >= e.occurred, true)
            else k.days_after >= -30 and coalesce(k.scope, 'access') in ('access', 'package')
        end
    where lower(e.type) not in ('signed', 'amended')
    group by c.partner_id, e.contract_id, e.type, e.occurred, e.due, e.done, e.register_row
),
accepted as (
    select
        a.*,
        coalesce(a.expires_at > c.as_of and v.subject_id is null, false) as is_in_force,
        coalesce(a.expires_at > c.as_of and a.expires_at <= c.as_of + interval 30 day and v.subject_id is null, false) as is_ending,
        date_diff('day', a.approved_at, c.as_of) as days
    from acceptance_facts a
    cross join clock c
    left join (
        select distinct subject_id from said where subject_kind = 'acceptance' and is_fail = 1
    ) v on v.subject_id = a.acceptance_id
),
exports as (
    select
        u.identity_id,
        h.partner_id,
        h.provider,
        u.rows
    from usage u
    join identity_facts h on h.identity_id = u.identity_id
    cross join clock c
    where u.kind = 'export'
        and h.is_partner_related
        and u.occurred_at >= c.as_of - interval 30 day
),
items (measure, partner_id, provider, part, whole) as (
    select 101, partner_id, provider, case when is_logged then successes end, 1 from accounts
    union all
    select 201, partner_id, provider, case when is_logged then failures end, successes + failures from accounts
    union all
    select 301, partner_id, null, is_used::int, 1 from going
    union all
    select 302, partner_id, null, (is_used and has_business)::int, 1 from going
    union all
    select 303, partner_id, null, (is_used and not has_business)::int, 1 from going
    union all
    select 304, partner_id, null, (not is_used and has_business)::int, 1 from going
    union all
    select 305, partner_id, null, (not is_used and not has_business)::int, 1 from going
    union all
    select m.measure, a.partner_id, null, a.is_new, 0
    from asked a
    join (select 401 as measure, category from categories union all select measure, category from categories) m
        on m.category = a.category
    union all
    select m.measure, a.partner_id, a.provider, case when t.holds is not null then 0 end, 1
    from accounts a
    cross join (select 401 as measure union all select measure from categories) m
    left join told t on t.holds = 'support_tickets'
    union all
    select 501, partner_id, provider, case when is_logged then date_diff('day', invited_at, first_at) end, 1
    from invited
    where not is_unused
    union all
    select 502, partner_id, provider,
        case when first_at is not null or is_used then 0 when is_unused or is_logged then 1 end, 1
    from invited
    where is_due
    union all
    select 601, partner_id, provider, case when is_nhi then 1 end, 1 from held where is_nhi is not false
    union all
    select 701, partner_id, provider,
        case when owner_status = 'active' then 1 when coalesce(active_owners, 0) = 0 then 0 end, 1
    from held
    where is_nhi is not false
    union all
    select 702, partner_id, null,
        case when business_owner_status = 'active' then 1 when business_owner_status is distinct from 'unknown' then 0 end, 1
    from going
    union all
    select m.measure, partner_id, provider, case when is_live then age_days end, 1
    from credential_facts
    cross join (values (801), (802)) m (measure)
    where is_partner_related and is_replaceable and coalesce(is_live, true)
    union all
    select 901, partner_id, provider,
        case when is_live and expires_at is not null then 0 when is_live and expiry_known then 1 end, 1
    from credential_facts
    where is_partner_related and coalesce(is_live, true)
    union all
    select 1001, c.partner_id, c.provider,
        case when p.is_stored then 1 when not p.is_stored and c.is_live and exists (select 1 from secret_places where is_stored) then 0 end,
        1
    from credential_facts c
    left join (
        select credential_id, bool_or(is_stored) as is_stored from secret_places where is_secret group by credential_id
    ) p on p.credential_id = c.credential_id
    where c.is_partner_related and c.is_replaceable and coalesce(c.is_live, true)
    union all
    select 1101, partner_id, null, is_live::int, 1 from leak_facts
    union all
    select 1101, null, provider, case when status = 'complete' then 0 end, 0
    from coverage
    where dataset in ('sightings.files', 'sightings.history')
        and status <> 'not_applicable'
    union all
    select m.measure, partner_id, provider,
        case
            when not has_access or not contract_is_ended then 0
            when has_access and contract_is_ended then case m.measure when 1301 then 1 else live_credentials end
        end,
        1
    from identity_facts
    cross join (values (1301), (1302)) m (measure)
    where partner_id is not null
        or is_partner_disputed
    union all
    select 1401, partner_id, provider,
        case when is_fail = 1 then 1 when is_unknown = 0 and exists (select 1 from excesses) then 0 end,
        1
    from strong
    union all
    select 1501, p.partner_id, p.provider,
        case when b.is_definite then 1 when b.verb is null and p.is_definite then 0 end, 1
    from packaged p
    left join beyond b on b.identity_key = p.identity_key and b.verb = p.verb
    union all
    select 1601, i.partner_id, g.provider, (g.expires_at is null)::int, 1
    from grants g
    left join identity_facts i on i.identity_key = g.identity_key
    where g.source = 'delegation'
    union all
    select m.measure, p.partner_id, null,
        case when s.is_fail = 1 then 0 when s.is_unknown = 1 or a.rule_id is null then null else 1 end, 1
    from due_partners p
    cross join (values (1701, 'gov-attestation-overdue'), (1702, 'gov-review-overdue')) m (measure, rule_id)
    left join said s on s.rule_id = m.rule_id and s.subject_kind = 'partner' and s.subject_id = p.partner_id
    left join answered a on a.rule_id = m.rule_id
    union all
    select 1703, partner_id, null, case when due_on is not null then coalesce(held_on <= due_on, false)::int end, 1
    from checkpoints
    cross join clock c
    where held_on is not null
        or due_on is null
        or due_on < c.as_of::date
    union all
    select 1801, partner_id, null, is_in_force::int, 1 from accepted
    union all
    select 1802, partner_id, null, is_ending::int, 1 from accepted
    union all
    select 1803, partner_id, null, (not is_in_force)::int, 1 from accepted
    union all
    select 1804, partner_id, null, days, 1 from accepted where is_in_force
    union all
    select 1805, partner_id, provider, score, 1 from findings where status = 'accepted'
    union all
    select m.measure, null, null, case when t.holds is not null then 0 end, 0
    from (values (1801), (1802), (1803), (1805)) m (measure)
    left join told t on t.holds = 'acceptances'
    union all
    select 1901, h.partner_id, h.provider,
        case when a.request_id is null or a.problem is not null or a.channel in ('email', 'manual') then 1 else 0 end, 1
    from access_changes a
    join held h on h.identity_key = a.identity_key
    cross join clock c
    where a.changed_at >= c.as_of - interval 90 day
    union all
    select 1901, null, null, null, 1
    from clock
    where not exists (select 1 from told where holds = 'requests')
    union all
    select 2001, a.partner_id, a.provider,
        case when s.is_fail = 1 then 0 when s.is_unknown = 1 or r.rule_id is null then null else 1 end, 1
    from accounts a
    left join (
        select subject_id, max(is_fail) as is_fail, max(is_unknown) as is_unknown
        from said
        where rule_id in ('human-shared-account', 'reuse-generic-account')
        group by subject_id
    ) s on s.subject_id = a.identity_id
    left join answered r on r.rule_id = 'human-shared-account'
    union all
    select 2101, partner_id, provider, case when others > 0 then 0 when is_logged and unclear = 0 then 1 end, 1
    from accounts
    where successes > 0
    union all
    select 2102, partner_id, provider, case mfa_state when 'registered' then 1 when 'none' then 0 end, 1
    from accounts
    where level >= 4
    union all
    select 2201, partner_id, provider, 1, 1 from exports
    union all
    select 2202, partner_id, provider, rows, 1 from exports
    union all
    select m.measure, null, provider, case when bool_and(status = 'complete') then 0 end, 0
    from coverage
    cross join (values (2201), (2202)) m (measure)
    where dataset = 'usage.exports'
    group by m.measure, provider, tenant_id
    union all
    select m.measure, i.partner_id, null,
        case when m.measure = 2301 then 1 when m.measure = 2302 then (i.closed_at is null)::int end, 1
    from incidents i
    cross join clock c
    cross join (values (2301), (2302)) m (measure)
    where coalesce(i.disclosed_at, i.opened_at, c.as_of) >= c.as_of - interval 24 month
    union all
    select m.measure, null, null, case when t.holds is not null then 0 end, 0
    from (values (2301), (2302)) m (measure)
    left join told t on t.holds = 'incidents'
    union all
    select 2303, partner_id, provider, case when outcome = 'fail' then 1 end, 1
    from findings
    where rule_id in ('tp-incident-unrotated', 'tp-incident-app-unrotated') and status <> 'fixed'
    union all
    select 2303, null, null, case when a.rule_id is not null then 0 end, 0
    from (select 'tp-incident-unrotated' as rule_id) r
    left join answered a on a.rule_id = r.rule_id
),
-- what is counted elsewhere already
sums (measure, provider, family, part, whole, unknown) as (
    select 2401, j.provider, r.family, j.passed, j.passed + j.failed, j.unknown
    from judged j
    join rules r on r.rule_id = j.rule_id
    union all
    select 2502, j.provider, r.family, j.unknown, j.evaluated, 0
    from judged j
    join rules r on r.rule_id = j.rule_id
    union all
    select 2501, provider, null, count(*) filter (status = 'complete'), count(*), 0
    from coverage
    where status <> 'not_applicable'
    group by provider
),
grouped as (
    select
        i.measure,
        case $by when 'partner' then coalesce(f.name || ' (' || f.partner_id || ')', '(no partner named)') when 'tier' then coalesce(f.tier, '(no tier)')
            when 'provider' then coalesce(i.provider, '(all)') when '' then '' end as part_of,
        sum(i.part) filter (i.part is not null) as part,
        sum(i.whole) filter (i.part is not null) as whole,
        median(i.part) as median,
        quantile_cont(i.part, 0.9) as p90,
        count(*) filter (i.part is null) as unknown,
        count(*) as subjects
    from items i
    left join partner_facts f on f.partner_id = i.partner_id
    where $partner in ('', i.partner_id)
        and $by in ('', 'partner', 'tier', 'provider')
    group by i.measure, part_of
    union all
    select
        measure,
        case $by when 'provider' then provider when 'family' then family when '' then '' end as part_of,
        sum(part),
        sum(whole),
        null,
        null,
        sum(unknown),
        sum(whole + unknown)
    from sums
    where $partner = ''
        and ($by in ('', 'provider') or ($by = 'family' and family is not null))
    group by measure, part_of
)
select
    m.metric,
    m.name,
    g.part_of as of,
    case
        when g.whole is null or (m.kind in ('share', 'mean') and g.whole = 0) then null
        when m.kind in ('share', 'mean') then round(m.factor * g.part / g.whole, 1)
        when m.kind = 'median' then round(g.median, 1)
        when m.kind = 'p90' then round(g.p90, 1)
        else round(g.part, 1)
    end as value,
    m.unit,
    case when m.kind in ('share', 'mean') then coalesce(g.part, 0) end as numerator,
    case when m.kind <> 'count' then coalesce(g.whole, 0) end as denominator,
    coalesce(g.unknown, 0) as unknown,
    coalesce(g.whole is not null and g.unknown <= case m.kind when 'count' then 0 else 0.2 * g.subjects end, false) as is_usable
from measures m
left join grouped g on g.measure = m.measure
where case
        when $by in ('', 'partner', 'tier', 'provider', 'family') then g.measure is not null or $by = ''
        else cast(error('by is partner, tier, provider or family') as boolean)
    end
order by m.measure, g.part_of
