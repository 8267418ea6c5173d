-- Identities from which a log says something was taken. Given back before its next use, it is fine where the register holds an
-- approved request since, and a question elsewhere.
with approved as (
    select
        r.identity,
        max(r.approved_at) as approved_at
    from requests r
    where r.approved_at is not null
        and coalesce(lower(r.outcome), 'approved') not in ('rejected', 'denied', 'refused', 'withdrawn')
    group by r.identity
),
-- requests name an identity by id, native id or name
asked as (
    select
        v.identity_key,
        max(a.approved_at) as approved_at
    from revocations v
    join identity_facts f on f.identity_key = v.identity_key
    join approved a on a.identity in (f.identity_id, f.native_id, f.name)
    group by v.identity_key
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when v.used_at is null then 'pass'
        when v.given_back_at is null or v.given_back_at > v.used_at then 'fail'
        when a.approved_at >= v.revoked_at then 'pass'
        else 'unknown'
    end as outcome,
    f.name as identity,
    f.kind,
    f.native_id,
    v.revoked_id,
    v.revoked_at as revoked,
    v.revoked_with as with_the_call,
    v.revoked_by,
    v.used_at as used,
    v.given_back_at as given_back,
    f.partner_name as partner,
    f.has_access
from revocations v
join identity_facts f on f.identity_key = v.identity_key
left join asked a on a.identity_key = v.identity_key
