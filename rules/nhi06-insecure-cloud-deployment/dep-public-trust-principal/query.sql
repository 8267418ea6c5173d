-- Roles somebody may become; the worst trust counts. An ExternalId says who asks a vendor to act, not who the caller is:
-- whoever knows it gets in, so it does not narrow.
with weighed as (
    select
        t.identity_key,
        t.principal,
        t.mechanism,
        t.narrowed_by,
        case
            when t.principal_kind <> 'any' then 1
            when t.narrowed_by is not null then 1
            when t.has_other_conditions then 2
            else 3
        end as rank
    from trusts t
),
worst as (
    select
        identity_key,
        max(rank) as rank
    from weighed
    group by identity_key
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case max(w.rank) when 3 then 'fail' when 2 then 'unknown' else 'pass' end as outcome,
    f.name as identity,
    f.kind,
    min(t.principal) as principal,
    min(t.mechanism) as mechanism,
    min(t.narrowed_by) as narrowed_by
from worst w
join weighed t on t.identity_key = w.identity_key and t.rank = w.rank
join identity_facts f on f.identity_key = w.identity_key
group by f.identity_id, f.tenant_id, f.name, f.kind
