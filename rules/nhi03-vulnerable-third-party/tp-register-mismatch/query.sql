-- Partners that declared what they run here, as a list or as a number. On our side stand the enabled machine identities that they
-- operate; people are declared elsewhere. A list may name an identity by its id, native id, name or mail address, or by a credential of it.
with declared as (
    select distinct
        d.partner_id,
        d.declared_ref,
        lower(trim(d.declared_ref)) as ref
    from declared_identities d
),
observed as (
    select distinct
        a.partner_id,
        f.identity_key,
        f.identity_id,
        f.name,
        f.native_id,
        f.level,
        case when f.is_nhi and f.has_access then 1 else 0 end as is_sure
    from identity_partners a
    join identity_facts f on f.identity_key = a.identity_key
    where a.verdict = 'asserted'
        and a.role = 'operator'
        and f.is_enabled
        and coalesce(f.has_access, true)
        and not coalesce(f.is_provider_owned, false)
        and coalesce(f.is_nhi, true)
),
-- whatever of the partner's a list may name, also when it is a person, switched off or only served
nameable as (
    select a.partner_id, f.identity_key, lower(f.identity_id) as ref
    from identity_partners a
    join identity_facts f on f.identity_key = a.identity_key
    where a.verdict in ('asserted', 'conflict')
    union
    select a.partner_id, f.identity_key, lower(f.native_id)
    from identity_partners a
    join identity_facts f on f.identity_key = a.identity_key
    where a.verdict in ('asserted', 'conflict')
    union
    select a.partner_id, f.identity_key, lower(f.name)
    from identity_partners a
    join identity_facts f on f.identity_key = a.identity_key
    where a.verdict in ('asserted', 'conflict')
    union
    select a.partner_id, i.identity_key, lower(i.mail)
    from identity_partners a
    join identities i on i.identity_key = a.identity_key
    where a.verdict in ('asserted', 'conflict')
        and i.mail is not null
    union
    select a.partner_id, c.identity_key, lower(c.native_id)
    from identity_partners a
    join credential_facts c on c.identity_key = a.identity_key
    where a.verdict in ('asserted', 'conflict')
    union
    select a.partner_id, c.identity_key, lower(c.credential_id)
    from identity_partners a
    join credential_facts c on c.identity_key = a.identity_key
    where a.verdict in ('asserted', 'conflict')
),
matched as (
    select distinct d.partner_id, d.ref, n.identity_key
    from declared d
    join nameable n on n.partner_id = d.partner_id and n.ref = d.ref
),
listed as (
    select
        d.partner_id,
        count(*) as declared,
        sum(case when m.ref is null then 1 else 0 end) as declared_only,
        min(case when m.ref is null then d.declared_ref end) as first_declared_only
    from declared d
    left join (select distinct partner_id, ref from matched) m on m.partner_id = d.partner_id and m.ref = d.ref
    group by d.partner_id
),
seen as (
    select
        o.partner_id,
        count(*) as observed,
        sum(1 - o.is_sure) as perhaps,
        sum(case when m.identity_key is null and o.is_sure = 1 then 1 else 0 end) as observed_only,
        sum(case when m.identity_key is null and o.is_sure = 0 then 1 else 0 end) as perhaps_only,
        min(case when m.identity_key is null and o.is_sure = 1 then o.name end) as first_observed_only,
        max(case when m.identity_key is null and o.is_sure = 1 then o.level end) as level_undeclared
    from observed o
    left join (select distinct partner_id, identity_key from matched) m
        on m.partner_id = o.partner_id and m.identity_key = o.identity_key
    group by o.partner_id
),
numbers as (
    select
        partner_id,
        max(declared_nhi_count) as declared_count
    from partners
    group by partner_id
),
-- rows of the partner's list that were not accepted
lost as (
    select distinct q.partner_id
    from quarantine q
    join register_files r on r.file = q.file
    where q.row_dropped
        and r.holds = 'declared_identities'
),
weighed as (
    select
        p.partner_id,
        case when x.partner_id is null then 0 else 1 end as has_lost_rows,
        p.name,
        n.declared_count,
        l.declared,
        coalesce(l.declared_only, 0) as declared_only,
        l.first_declared_only,
        coalesce(s.observed, 0) as observed,
        coalesce(s.perhaps, 0) as perhaps,
        case when l.partner_id is null then 0 else coalesce(s.observed_only, 0) end as observed_only,
        case when l.partner_id is null then 0 else coalesce(s.perhaps_only, 0) end as perhaps_only,
        s.first_observed_only,
        case when l.partner_id is not null then s.level_undeclared end as level_undeclared,
        case
            when n.declared_count is null then 0
            when n.declared_count < coalesce(s.observed, 0) - coalesce(s.perhaps, 0) then
                coalesce(s.observed, 0) - coalesce(s.perhaps, 0) - n.declared_count
            when n.declared_count > coalesce(s.observed, 0) then n.declared_count - coalesce(s.observed, 0)
            else 0
        end as count_difference
    from partner_facts p
    left join numbers n on n.partner_id = p.partner_id
    left join listed l on l.partner_id = p.partner_id
    left join seen s on s.partner_id = p.partner_id
    left join lost x on x.partner_id = p.partner_id
    where n.declared_count is not null
        or l.partner_id is not null
)
select
    w.partner_id as subject_id,
    cast(null as varchar) as tenant_id,
    case
        when w.has_lost_rows = 0 and w.observed_only + w.declared_only > $tolerance then 'fail'
        when w.declared_only > $tolerance then 'fail'
        when w.count_difference > $tolerance then 'fail'
        when w.observed_only + w.declared_only + w.perhaps_only > $tolerance then 'unknown'
        when w.has_lost_rows = 1 then 'unknown'
        when w.declared is null and w.perhaps > $tolerance then 'unknown'
        else 'pass'
    end as outcome,
    case when w.level_undeclared >= 4 then 'high' else 'medium' end as severity,
    w.name as partner,
    case
        when w.observed_only > 0 and w.declared_only > 0
            then cast(w.observed_only as varchar) || ' identities that it does not list (' || w.first_observed_only || '), and '
                || cast(w.declared_only as varchar) || ' listed that are not here (' || w.first_declared_only || ')'
        when w.observed_only = 1 then 'it does not list ' || w.first_observed_only
        when w.observed_only > 1
            then cast(w.observed_only as varchar) || ' identities that it does not list, first ' || w.first_observed_only
        when w.declared_only = 1 then 'it lists ' || w.first_declared_only || ', which is not here'
        when w.declared_only > 1
            then cast(w.declared_only as varchar) || ' listed that are not here, first ' || w.first_declared_only
        else 'it declared ' || cast(w.declared_count as varchar) || ' machine identities, and '
            || case when w.perhaps = 0 then '' else cast(w.observed - w.perhaps as varchar) || ' to ' end
            || cast(w.observed as varchar) || ' are here'
    end as difference,
    case
        when w.has_lost_rows = 1 then 'a row of its list was not accepted'
        when w.perhaps > 0 then 'of ' || cast(w.perhaps as varchar) || ' identities nobody can say whether they are machines with access'
    end as doubt,
    w.declared_count as declared_number,
    w.declared as listed,
    w.observed,
    w.observed_only as not_listed,
    w.declared_only as not_found,
    w.level_undeclared as highest_level_not_listed
from weighed w
