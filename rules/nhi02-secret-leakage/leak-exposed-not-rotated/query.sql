-- Credentials that stand in some text outside every store. The clock runs from the first text that held the value: whether it
-- was taken out since does not matter, because it was read. A credential made after the newest of these texts is another value.
with exposed as (
    select
        credential_id,
        count(*) as leaks,
        min(first_seen_at) as first_seen_at,
        max(first_seen_at) as newest_at,
        min(case when audience in ('public', 'partner') then first_seen_at end) as first_outside_at,
        max(case when first_seen_at is null then 1 else 0 end) as is_undated,
        min(resource_name) as place,
        count(distinct resource_id) as resources,
        min(first_place) as first_place
    from leak_facts
    where credential_id is not null
    group by credential_id
)
select
    c.credential_id as subject_id,
    c.tenant_id,
    case
        when c.is_live is null then 'unknown'
        when c.created_at > e.newest_at and e.is_undated = 0 then 'pass'
        when c.created_at is null then 'unknown'
        when e.first_outside_at < $public_rotate_hours_before then 'fail'
        when e.first_seen_at < $rotate_hours_before then 'fail'
        when e.is_undated = 1 then 'unknown'
        else 'pass'
    end as outcome,
    c.kind,
    c.native_id,
    c.identity_name as identity,
    case
        when e.resources = 1 then e.place || ' (' || e.first_place || ')'
        else e.place || ' and ' || cast(e.resources - 1 as varchar) || ' more'
    end as places,
    substr(cast(e.first_seen_at as varchar), 1, 16) as exposed,
    case
        when c.last_used_at > e.first_seen_at then 'it was used since, last on ' || substr(cast(c.last_used_at as varchar), 1, 10)
        when c.last_used_at is not null or c.last_used_known then 'no use since is known'
        else 'whether it was used since cannot be known'
    end as used_since,
    case
        when c.is_live is null then 'whether it still works is not known'
        when c.created_at is null then 'whether it was replaced since is not known'
        else 'since when is not known'
    end as why_open,
    c.created_at as created,
    c.last_used_at as last_used,
    c.partner_name as partner,
    c.owner_mail as owner,
    c.level,
    e.leaks
from credential_facts c
join exposed e on e.credential_id = c.credential_id
where coalesce(c.is_live, true)
