-- What every finding needs to be believed, for fails; an unknown says only what was not read.
-- The page's order is seq: columns of the rule from 1, its evidence.sql from 1000, this from 100000.
insert into finding_evidence
with exports as (
    select
        file,
        max(exported_at) as exported_at
    from register_files
    group by file
),
claims as (
    select
        c.identity_key,
        string_agg(
            coalesce(p.name, c.partner_id) || ' (' || c.verdict || ', ' || c.source || '): ' || coalesce(c.evidence, 'no evidence'),
            '; '
            order by c.confidence desc, c.partner_id
        ) as others
    from identity_partners c
    left join partner_facts p on p.partner_id = c.partner_id
    where c.verdict <> 'asserted'
        and c.identity_key in (select i.identity_key from findings f join identity_facts i on i.identity_id = f.identity_id)
    group by c.identity_key
),
owners as (
    select
        o.identity_key,
        string_agg(
            o.mail || ' (' || o.verdict || ', ' || o.source || '): ' || coalesce(o.evidence, 'no evidence'),
            '; '
            order by o.confidence desc, o.mail
        ) as others
    from identity_owners o
    where o.verdict <> 'asserted'
        and o.identity_key in (select i.identity_key from findings f join identity_facts i on i.identity_id = f.identity_id)
    group by o.identity_key
),
horizons as (
    select
        tenant_id,
        dataset,
        max(history_from) as history_from
    from coverage
    where dataset in ('identities.last_used', 'credentials.last_used')
    group by tenant_id, dataset
),
on_identities as (
    select
        f.finding_id,
        unnest([
            {
                'seq': 100001,
                'label': 'partner',
                'value': case
                    when i.partner_id is not null
                        then coalesce(i.partner_name, i.partner_id) || ' (' || i.partner_id || ', '
                            || coalesce(i.partner_role, 'role unknown') || '): ' || coalesce(i.partner_evidence, 'no evidence')
                            || coalesce(', confidence ' || i.partner_confidence, '')
                    when i.is_partner_disputed then 'disputed: two partners have equally strong evidence'
                end
            },
            { 'seq': 100002, 'label': 'other partners considered', 'value': k.others },
            {
                'seq': 100003,
                'label': 'partner in the register',
                'value': p.register_row || coalesce(', exported ' || strftime(px.exported_at, '%Y-%m-%d'), ', export date unknown')
            },
            {
                'seq': 100004,
                'label': 'owner',
                'value': i.owner_mail || ' (' || coalesce(i.owner_status, 'unknown') || '): '
                    || coalesce(i.owner_evidence, 'no evidence') || coalesce(', confidence ' || i.owner_confidence, '')
            },
            { 'seq': 100005, 'label': 'other owners considered', 'value': o.others },
            {
                'seq': 100006,
                'label': case when c.credential_id is null then 'last use of the identity' else 'last use of the credential' end,
                'value': case
                    when c.credential_id is null
                        then use_in_words(i.last_used_at, i.last_used_known, i.last_used_source, hi.history_from)
                    else use_in_words(c.last_used_at, c.last_used_known, c.last_used_source, hc.history_from)
                end
            },
            {
                'seq': 100008,
                'label': 'contract',
                'value': i.contract_id || coalesce(': ' || i.contract_reason, '')
            },
            {
                'seq': 100009,
                'label': 'contract in the register',
                'value': i.contract_row || coalesce(', exported ' || strftime(cx.exported_at, '%Y-%m-%d'), ', export date unknown')
            }
        ]) as e
    from findings f
    join identity_facts i on i.identity_id = f.identity_id
    left join leak_facts l on f.subject_kind = 'leak' and l.leak_id = f.subject_id
    left join credential_facts c
        on c.credential_id = case f.subject_kind when 'credential' then f.subject_id when 'leak' then l.credential_id end
    left join claims k on k.identity_key = i.identity_key
    left join owners o on o.identity_key = i.identity_key
    left join partner_facts p on p.partner_id = i.partner_id
    left join exports px on px.file = regexp_replace(p.register_row, ':[0-9]+$', '')
    left join exports cx on cx.file = regexp_replace(i.contract_row, ':[0-9]+$', '')
    left join horizons hi on hi.tenant_id = i.tenant_id and hi.dataset = 'identities.last_used'
    left join horizons hc on hc.tenant_id = i.tenant_id and hc.dataset = 'credentials.last_used'
    where f.outcome = 'fail'
        and f.status <> 'fixed'
),
contracts_of as (
    select
        t.partner_id,
        string_agg(
            t.tenant_id || ': ' || coalesce(t.reason, 'no contract') || coalesce(' (' || t.register_row || ')', ''),
            '; '
            order by t.tenant_id
        ) as state
    from partner_tenants t
    group by t.partner_id
),
on_partners as (
    select
        f.finding_id,
        unnest([
            {
                'seq': 100003,
                'label': 'partner in the register',
                'value': p.register_row || coalesce(', exported ' || strftime(px.exported_at, '%Y-%m-%d'), ', export date unknown')
            },
            {
                'seq': 100004,
                'label': 'business owner',
                'value': coalesce(p.business_owner || ' (' || coalesce(p.business_owner_status, 'unknown') || ')', 'none named')
            },
            {
                'seq': 100006,
                'label': 'what it holds',
                'value': p.identities || ' identities, ' || p.live_credentials || ' live credentials, highest level '
                    || coalesce(cast(p.level as varchar), 'unknown')
            },
            {
                'seq': 100007,
                'label': 'last use',
                'value': strftime(p.last_used_at, '%Y-%m-%d %H:%M')
            },
            { 'seq': 100008, 'label': 'contracts', 'value': t.state }
        ]) as e
    from findings f
    join partner_facts p on p.partner_id = f.subject_id
    left join contracts_of t on t.partner_id = p.partner_id
    left join exports px on px.file = regexp_replace(p.register_row, ':[0-9]+$', '')
    where f.subject_kind = 'partner'
        and f.outcome = 'fail'
        and f.status <> 'fixed'
),
scoped as (
    select
        f.finding_id,
        f.rule_id,
        f.outcome,
        unnest([f.tenant_id, '*']) as tenant_id
    from findings f
    where f.subject_kind <> 'partner'
    union all
    select
        f.finding_id,
        f.rule_id,
        f.outcome,
        t.tenant_id
    from findings f
    join (
        select partner_id, tenant_id from partner_tenants
        union all
        select partner_id, '*' from partner_facts
    ) t on t.partner_id = f.subject_id
    where f.subject_kind = 'partner'
),
wanted as (
    select distinct rule_id, tenant_id from scoped
),
reads as (
    select
        w.rule_id,
        w.tenant_id,
        coalesce(c.in_words, u.dataset || ': not read') as in_words,
        not coalesce(c.is_covered, false) as is_gap
    from wanted w
    join run_uses u
        on u.rule_id = w.rule_id
        and u.used in ('needs', 'absence')
        and (u.dataset like 'register.%') = (w.tenant_id = '*')
    left join run_dataset_coverage c
        on c.dataset = u.dataset
        and c.tenant_id = case
            when is_of_places(u.dataset) <> (w.tenant_id like 'files:%') and is_elsewhere(u.dataset) then '*'
            else w.tenant_id
        end
    union all
    select rule_id, '*', in_words, true from run_dropped
),
coverage_of as (
    select
        rule_id,
        tenant_id,
        string_agg(distinct in_words, '; ' order by in_words) as reads,
        string_agg(distinct in_words, '; ' order by in_words) filter (where is_gap) as gaps
    from reads
    group by rule_id, tenant_id
),
void as (
    select
        j.subject_id as acceptance_id,
        string_agg(j.message, '; ' order by j.rule_id) as message
    from run_judged j
    join run_rules r on r.rule_id = j.rule_id
    where r.subject = 'acceptance'
        and j.outcome = 'fail'
    group by j.subject_id
),
on_acceptances as (
    select
        f.finding_id,
        100200 as seq,
        'acceptance that does not count' as label,
        coalesce(
            a.acceptance_id || ': '
            || case
                when coalesce(trim(a.approved_by), '') = '' then 'nobody approved it'
                when lower(trim(a.approved_by)) = lower(trim(a.requested_by)) then 'whoever asked for it approved it'
                when coalesce(trim(a.reason), '') = '' then 'it gives no reason'
                when coalesce(trim(a.compensating_control), '') = '' then 'it names no compensating control'
                when a.expires_at is null then 'its expiry is missing or unreadable'
                when a.expires_at < cast(s.as_of as date) then 'it expired on ' || cast(a.expires_at as varchar)
                when a.approved_at > s.as_of then 'its approval is dated ' || cast(cast(a.approved_at as date) as varchar) || ' and still to come'
            end,
            v.message
        ) as value
    from findings f
    cross join scans s
    join acceptances a on a.rule_id = f.rule_id and a.subject_id = f.subject_id
    left join void v on v.acceptance_id = a.acceptance_id
    where f.outcome = 'fail'
        and f.status in ('open', 'reopened')
)
select finding_id, e.seq, e.label, e.value from on_identities where e.value is not null
union all
select finding_id, e.seq, e.label, e.value from on_partners where e.value is not null
union all
select
    s.finding_id,
    case when s.tenant_id = '*' then 100021 else 100020 end,
    case
        when s.outcome = 'unknown' then 'not covered'
        when s.tenant_id = '*' then 'coverage of the register'
        else 'coverage of ' || s.tenant_id
    end,
    case when s.outcome = 'unknown' then c.gaps else c.reads end
from scoped s
join coverage_of c on c.rule_id = s.rule_id and c.tenant_id = s.tenant_id
where case when s.outcome = 'unknown' then c.gaps else c.reads end is not null
union all
select j.finding_id, 100022, 'not accepted in the register', d.in_words
from run_dirt d
join run_subjects s on s.partner_id = d.partner_id
join run_rules r on r.rule_id = d.rule_id and r.subject = s.kind
join run_judged j on j.rule_id = d.rule_id and j.subject_id = s.subject_id and j.outcome = 'unknown'
union all
select finding_id, seq, label, value from on_acceptances;
