-- Every secret in a repository. One that is known not to work any more passes; one of a provider's test system weighs little.
select
    l.leak_id as subject_id,
    l.tenant_id,
    case
        when coalesce(l.is_live, true) = false then 'pass'
        when l.expires_at <= $as_of then 'pass'
        when coalesce(l.confidence, 1.0) < $min_confidence and l.link in ('provider', 'none') and not coalesce(l.is_verified, false)
            then 'unknown'
        else 'fail'
    end as outcome,
    case
        when l.is_test then 'low'
        when l.audience = 'public' then 'critical'
        when l.is_live and l.level >= 4 then 'critical'
        when l.is_verified then 'critical'
        when l.severity in ('medium', 'low', 'info') and not coalesce(l.is_live, false) then l.severity
        else 'high'
    end as severity,
    l.kind,
    l.resource_name as repository,
    l.first_place,
    coalesce('since ' || substr(cast(l.first_seen_at as varchar), 1, 10), 'since when is not known')
        || case when l.is_current then '' else ', in older commits only' end as since,
    case
        when l.identity_name is not null then 'it is of ' || l.identity_name || coalesce(', partner ' || l.partner_name, '')
        else 'whose it is: ' || l.link_evidence
    end as leads_to,
    l.identity_id as identity,
    l.link_evidence,
    l.owner_mail as owner,
    l.partner_name as partner,
    l.level,
    l.last_used_at as last_used,
    l.places,
    l.author,
    l.commit,
    l.audience,
    l.preview,
    l.found_by
from leak_facts l
where l.where_kind in ('repo', 'pipeline', 'repo_history')
