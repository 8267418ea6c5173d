-- Roles that OIDC issuers may be exchanged for; the worst trust of a role counts. AWS always compares the audience with those
-- that the provider is registered with: one registered audience leaves little to confuse, several leave it open.
with registered as (
    select
        i.tenant_id,
        lower(i.issuer) as issuer,
        count(distinct a.audience) as audiences
    from issuers i
    left join issuer_audiences a on a.issuer_id = i.issuer_id
    where i.kind = 'oidc'
    group by i.tenant_id, lower(i.issuer)
),
weighed as (
    select
        t.identity_key,
        t.issuer,
        r.audiences,
        case
            when t.audience_check = 'pinned' then 1
            when t.audience_check is null then 3
            when lower(t.issuer) in $builtin_issuers then 4
            when r.audiences > 1 then 4
            when r.audiences = 1 then 2
            else 3
        end as rank
    from trusts t
    left join registered r on r.tenant_id = t.tenant_id and r.issuer = lower(t.issuer)
    where t.mechanism = 'oidc'
        and t.principal_kind = 'oidc'
),
worst as (
    select
        identity_key,
        max(case when rank = 3 then 0 else rank end) as known,
        max(case when rank = 3 then 1 else 0 end) as has_unknown
    from weighed
    group by identity_key
),
decided as (
    select
        identity_key,
        case when known = 4 then 4 when has_unknown = 1 then 3 else known end as rank
    from worst
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case max(d.rank) when 4 then 'fail' when 3 then 'unknown' when 2 then 'fail' else 'pass' end as outcome,
    case when max(d.rank) = 2 then 'low' else 'high' end as severity,
    f.name as identity,
    f.kind,
    min(t.issuer) as issuer,
    case
        when max(d.rank) = 2 then 'any purpose; only the one audience registered with the provider limits them'
        when max(t.audiences) > 1 then 'any of the ' || cast(max(t.audiences) as varchar) || ' registered audiences'
        else 'any audience'
    end as audiences
from decided d
join weighed t on t.identity_key = d.identity_key and t.rank = d.rank
join identity_facts f on f.identity_key = d.identity_key
group by f.identity_id, f.tenant_id, f.name, f.kind
