-- Roles that somebody logs in to, by what their method can ask of a caller. Users' passwords and token roles are others' matter,
-- and what a JWT or OIDC role asks stands among the trusts as well, where the OIDC rules judge it.
with judged as (
    select
        a.identity_key,
        a.method,
        a.mount,
        case
            when a.bound_networks is null then null
            when a.bound_networks = '' or a.bound_networks like '%0.0.0.0/0%' or a.bound_networks like '%::/0%' then 1
            else 0
        end as is_anywhere,
        case
            when a.method = 'approle' and not a.is_secret_required then 'anybody who has the role id'
            when a.method = 'approle'
                and (a.secret_ttl_s = 0 or a.secret_ttl_s > $max_secret_id_hours * 3600)
                and (a.secret_uses = 0 or a.secret_uses > $max_secret_id_uses)
                then 'secret ids of '
                || case
                    when a.secret_ttl_s = 0 then 'no expiry'
                    else cast(cast(ceil(a.secret_ttl_s / 3600.0) as bigint) as varchar) || ' hours'
                end
                || ' and '
                || case
                    when a.secret_uses = 0 then 'any number of uses'
                    else cast(a.secret_uses as varchar) || ' uses'
                end
                || ', from anywhere'
            when a.method in ('jwt', 'oidc') and a.bound_audiences = '' and a.bound_subjects = '' and a.bound_claims = ''
                then 'every token of its issuer'
            when a.method = 'kubernetes' and (a.bound_subjects = '' or ', ' || a.bound_subjects like '%, */%')
                then 'service accounts of any namespace of the cluster'
            when a.method = 'kubernetes' and a.bound_subjects like '%*/%'
                then 'service accounts of every namespace whose name fits a pattern'
            when a.method = 'cert' and a.bound_subjects = '' and a.bound_claims = ''
                then 'every certificate of its authority'
            when a.method in ('alicloud', 'aws', 'azure', 'gcp', 'oci', 'saml') and a.bound_claims = ''
                then 'everybody whom ' || a.method || ' vouches for'
        end as who,
        case
            when a.method = 'approle'
                then a.is_secret_required is null or a.bound_networks is null
                or (a.is_secret_required and (a.secret_ttl_s is null or a.secret_uses is null))
            when a.method in ('jwt', 'oidc')
                then a.bound_audiences is null and a.bound_subjects is null and a.bound_claims is null
            when a.method = 'kubernetes' then a.bound_subjects is null
            when a.method = 'cert' then a.bound_subjects is null and a.bound_claims is null
            else a.bound_claims is null
        end as is_unread,
        a.bound_networks as networks,
        a.bound_audiences as audiences,
        a.bound_subjects as subjects,
        a.bound_claims as claims
    from auth_roles a
    where a.method in ('alicloud', 'approle', 'aws', 'azure', 'cert', 'gcp', 'jwt', 'kubernetes', 'oci', 'oidc', 'saml')
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when j.who is not null and j.method = 'approle' and j.is_anywhere = 0 then 'pass'
        when j.who is not null and j.method = 'approle' and j.is_anywhere is null then 'unknown'
        when j.who is not null then 'fail'
        when j.is_unread then 'unknown'
        else 'pass'
    end as outcome,
    case when f.level_high <= 2 then 'medium' else 'high' end as severity,
    f.name as identity,
    f.native_id as path,
    j.method,
    j.mount,
    coalesce(j.who, 'callers that cannot be told') as who,
    j.networks,
    j.audiences,
    j.subjects,
    j.claims,
    f.level
from judged j
join identity_facts f on f.identity_key = j.identity_key
where f.is_enabled
    and not (
        j.method in ('jwt', 'oidc')
        and f.identity_key in (select t.identity_key from trusts t where t.mechanism = 'oidc')
    )
