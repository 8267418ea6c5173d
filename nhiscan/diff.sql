-- What changed from the scan attached as `before` to the one attached as `after`: one view a list, gravest first by `seq`.
create temp macro rank_of(severity) as list_position(['info', 'low', 'medium', 'high', 'critical'], severity);
-- What is in one of two scans only: it came or went only where the other scan read the place where it was not found.
create temp macro presence(id_before, was_covered, is_covered) as
case
    when id_before is null and was_covered then 'appeared'
    when id_before is null then 'read for the first time'
    when is_covered then 'gone'
    else 'not read'
end;
create temp macro presence_place(change) as
list_position(['appeared', 'read for the first time', 'not read', 'gone'], change);
-- How a dataset was read; a dataset said twice counts as its worse half. What is carried counts as it was read, in read_as.
create temp view read_before as
select
    tenant_id,
    dataset,
    string_agg(distinct status, ', ' order by status) as status,
    bool_and(status in ('complete', 'not_applicable')) as is_covered,
    bool_and(coalesce(original_status, status) in ('complete', 'not_applicable')) as was_covered
from before.coverage
group by tenant_id, dataset;
create temp view read_after as
select
    tenant_id,
    dataset,
    string_agg(distinct status, ', ' order by status) as status,
    bool_and(status in ('complete', 'not_applicable')) as is_covered
from after.coverage
group by tenant_id, dataset;
create temp view list_cases as
with standing as (
    -- could not be judged in the scan before, and stood open all the same
    select distinct a.case_id
    from after.findings a
    join before.findings b on b.finding_id = a.finding_id
    where a.case_id is not null
        and b.outcome = 'unknown' -- not by the missing case: DuckDB 1.4.0 finds no null in a stored column of nulls only
        and b.score is not null
        and b.status <> 'fixed'
),
fates as (
    select
        b.case_id,
        bool_and(coalesce(a.status = 'fixed', false)) as is_fixed
    from before.findings b
    left join after.findings a on a.finding_id = b.finding_id
    where b.case_id is not null
    group by b.case_id
),
compared as (
    select
        case
            when b.case_id is null and s.case_id is not null then 'judged again'
            when b.case_id is null and a.status = 'reopened' then 'reopened'
            when b.case_id is null then 'new'
            when a.case_id is null and f.is_fixed then 'fixed'
            when a.case_id is null then 'not judged'
            when a.status = 'reopened' and b.status = 'open' then 'reopened'
            when a.status = 'accepted' and b.status <> 'accepted' then 'accepted'
            when b.status = 'accepted' and a.status <> 'accepted' then 'no longer accepted'
            when rank_of(a.severity) > rank_of(b.severity) then 'graver'
            when rank_of(a.severity) < rank_of(b.severity) then 'milder'
        end as change,
        coalesce(a.severity, b.severity) as severity,
        case when a.severity <> b.severity then b.severity end as severity_before,
        coalesce(a.score_low, b.score_low) as score_low,
        coalesce(a.case_id, b.case_id) as case_id,
        coalesce(a.subject_kind, b.subject_kind) as subject_kind,
        coalesce(a.subject_id, b.subject_id) as subject_id,
        coalesce(a.subject_name, b.subject_name) as subject_name,
        coalesce(a.partner_id, b.partner_id) as partner_id,
        coalesce(a.owner_mail, b.owner_mail) as owner_mail,
        coalesce(a.lead_rule_id, b.lead_rule_id) as rule_id,
        coalesce(a.message, b.message) as message
    from before.cases b
    full join after.cases a on a.case_id = b.case_id
    left join fates f on f.case_id = b.case_id
    left join standing s on s.case_id = a.case_id
)
select
    row_number() over (
        order by
            list_position(
                [
                    'new', 'reopened', 'no longer accepted', 'graver', 'judged again', 'not judged', 'accepted',
                    'milder', 'fixed'
                ],
                change
            ),
            rank_of(severity) desc,
            score_low desc,
            case_id
    ) as seq,
    *
from compared
where change is not null;
create temp view list_identities as
with compared as (
    select
        presence(b.identity_id, r.was_covered, w.is_covered) as change,
        coalesce(a.identity_id, b.identity_id) as identity_id,
        coalesce(a.tenant_id, b.tenant_id) as tenant_id,
        coalesce(a.kind, b.kind) as kind,
        coalesce(a.name, b.name) as name,
        coalesce(a.partner_id, b.partner_id) as partner_id,
        coalesce(a.owner_mail, b.owner_mail) as owner_mail,
        coalesce(a.level, b.level) as level,
        coalesce(a.live_credentials, b.live_credentials) as live_credentials
    from before.identity_facts b
    full join after.identity_facts a on a.identity_id = b.identity_id
    left join read_before r on r.tenant_id = a.tenant_id and r.dataset = 'identities'
    left join read_after w on w.tenant_id = b.tenant_id and w.dataset = 'identities'
    where a.identity_id is null
        or b.identity_id is null
)
select
    row_number() over (
        order by
            presence_place(change),
            partner_id is null,
            level desc nulls last,
            identity_id
    ) as seq,
    *
from compared;
create temp view list_credentials as
with compared as (
    select
        presence(b.credential_id, r.was_covered, w.is_covered) as change,
        coalesce(a.credential_id, b.credential_id) as credential_id,
        coalesce(a.identity_id, b.identity_id) as identity_id,
        coalesce(a.tenant_id, b.tenant_id) as tenant_id,
        coalesce(a.kind, b.kind) as kind,
        coalesce(a.is_live, b.is_live) as is_live,
        coalesce(a.partner_id, b.partner_id) as partner_id,
        coalesce(a.level, b.level) as level
    from before.credential_facts b
    full join after.credential_facts a on a.credential_id = b.credential_id
    left join read_before r on r.tenant_id = a.tenant_id and r.dataset = 'credentials'
    left join read_after w on w.tenant_id = b.tenant_id and w.dataset = 'credentials'
    where a.credential_id is null
        or b.credential_id is null
)
select
    row_number() over (
        order by
            presence_place(change),
            partner_id is null,
            level desc nulls last,
            credential_id
    ) as seq,
    *
from compared;
create temp view list_levels as
with compared as (
    select
        case
            when a.level > b.level then 'raised'
            when a.level < b.level then 'lowered'
            when b.level is null then 'known now'
            else 'no longer known'
        end as change,
        a.identity_id,
        a.name,
        a.partner_id,
        a.owner_mail,
        b.level as level_before,
        a.level
    from before.identity_facts b
    join after.identity_facts a on a.identity_id = b.identity_id
    where a.level is distinct from b.level
)
select
    row_number() over (
        order by
            list_position(['raised', 'no longer known', 'known now', 'lowered'], change),
            level desc nulls last,
            identity_id
    ) as seq,
    *
from compared;
create temp view list_partners as
select
    row_number() over (order by a.level desc nulls last, a.identity_id) as seq,
    case
        when b.partner_id is null then 'attributed'
        when a.partner_id is null then 'no longer attributed'
        else 'another partner'
    end as change,
    a.identity_id,
    a.name,
    b.partner_id as partner_before,
    a.partner_id,
    a.partner_evidence as evidence
from before.identity_facts b
join after.identity_facts a on a.identity_id = b.identity_id
where a.partner_id is distinct from b.partner_id;
create temp view list_owners as
select
    row_number() over (order by a.owner_mail is not null, a.level desc nulls last, a.identity_id) as seq,
    case
        when b.owner_mail is null then 'has an owner'
        when a.owner_mail is null then 'lost its owner'
        else 'another owner'
    end as change,
    a.identity_id,
    a.name,
    b.owner_mail as owner_before,
    a.owner_mail,
    a.owner_evidence as evidence
from before.identity_facts b
join after.identity_facts a on a.identity_id = b.identity_id
where a.owner_mail is distinct from b.owner_mail;
create temp view list_coverage as
with compared as (
    select
        case
            when a.status = 'carried' then 'carried'
            when coalesce(a.is_covered, false) and not coalesce(b.is_covered, false) then 'covered now'
            when coalesce(b.is_covered, false) and not coalesce(a.is_covered, false) then 'no longer covered'
            else 'another gap'
        end as change,
        coalesce(a.tenant_id, b.tenant_id) as tenant_id,
        coalesce(a.dataset, b.dataset) as dataset,
        coalesce(b.status, 'not read') as status_before,
        coalesce(a.status, 'not read') as status
    from read_before b
    full join read_after a on a.tenant_id = b.tenant_id and a.dataset = b.dataset
    where a.status is distinct from b.status
)
select
    row_number() over (
        order by
            list_position(['no longer covered', 'another gap', 'carried', 'covered now'], change),
            tenant_id,
            dataset
    ) as seq,
    *
from compared;
