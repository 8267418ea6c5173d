-- Roles that OIDC issuers may be exchanged for; the worst trust of a role counts. A subject that names the organisation, group
-- or account in full and leaves the project open lets in whoever works there, not anybody. A pool's guests are anybody.
with guests as (
    select distinct c.trust_key
    from trust_conditions c
    where lower(c.name) = 'cognito-identity.amazonaws.com:amr'
        and lower(c.operator) not like '%not%'
        and c.value = 'unauthenticated'
),
weighed as (
    select
        t.identity_key,
        t.issuer,
        t.subject_check,
        case when lower(t.issuer) in $public_issuers and coalesce(t.subject_check, '') <> 'owner' then 1 else 0 end as is_public,
        case when g.trust_key is null then 0 else 1 end as is_for_guests,
        case
            when t.subject_check = 'pinned' then 1
            when g.trust_key is not null then 3
            when t.audience_check = 'pinned' and lower(t.issuer) in $audience_bound_issuers then 1
            when t.subject_check is null or t.narrowed_by is not null or t.has_other_conditions then 2
            else 3
        end as rank
    from trusts t
    left join guests g on g.trust_key = t.trust_key
    where t.mechanism = 'oidc'
        and t.principal_kind = 'oidc'
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
    case when max(t.is_public) = 1 then 'critical' else 'high' end as severity,
    case when max(t.is_public) = 1 then 1.0 else 0.6 end as exposure,
    f.name as identity,
    f.kind,
    min(t.issuer) as issuer,
    case
        when max(case when t.subject_check = 'none' then 1 else 0 end) = 1 then 'without asking for a subject'
        when max(t.is_for_guests) = 1 then 'for guests who did not sign in'
        when max(t.is_public) = 1 then 'for subjects that anybody can have'
        when max(t.subject_check) = 'owner' then 'for more than one project of the organisation that the subject names'
        else 'for subjects that the issuer gives to more than one'
    end as problem
from worst w
join weighed t on t.identity_key = w.identity_key and t.rank = w.rank
join identity_facts f on f.identity_key = w.identity_key
group by f.identity_id, f.tenant_id, f.name, f.kind
