-- Partners' machine identities, and the people who may become them. Administrators may become anybody: priv-admin-equivalent and
-- our own administration are the place for that, and not each identity in turn.
with ways as (
    select
        e.to_key,
        count(distinct case when e.certainty = 'definite' then e.from_key end) as people,
        count(distinct e.from_key) as possible,
        min(case when e.certainty = 'definite' then p.name end) as example,
        min(case when e.certainty = 'definite' then e.evidence end) as evidence
    from access_edges e
    join identity_facts p on p.identity_key = e.from_key
    where e.kind = 'may-assume'
        and p.is_nhi = false
        and p.is_enabled
        and not coalesce(p.is_admin, false)
        and p.name not in $allowed
    group by e.to_key
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when coalesce(w.possible, 0) = 0 then 'pass'
        when w.people = 0 then 'unknown'
        when f.level >= $min_level then 'fail'
        when f.level_high is null or f.level_high >= $min_level then 'unknown'
        else 'pass'
    end as outcome,
    f.name as identity,
    f.kind,
    f.native_id as arn,
    w.people,
    w.example,
    w.evidence,
    case
        when w.people = 0 then 'the way of ' || cast(w.possible as varchar) || ' people depends on conditions'
        else 'what it may do was not established'
    end as doubt
from identity_facts f
left join ways w on w.to_key = f.identity_key
where f.is_enabled
    and f.is_nhi
    and f.is_partner_related
    and not coalesce(f.is_provider_owned, false)
    and (f.level_high is null or f.level_high >= $min_level or f.level >= $min_level)
