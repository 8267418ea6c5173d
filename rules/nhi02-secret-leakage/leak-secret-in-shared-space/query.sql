-- Every secret in what is shared. Who can read the space has to be said in the settings; without that nothing is concluded.
select
    l.leak_id as subject_id,
    l.tenant_id,
    case
        when coalesce(l.is_live, true) = false then 'pass'
        when l.expires_at <= $as_of then 'pass'
        when l.audience = 'internal' then 'pass'
        when l.audience is null then 'unknown'
        when coalesce(l.confidence, 1.0) < $min_confidence and l.link in ('provider', 'none') and not coalesce(l.is_verified, false)
            then 'unknown'
        else 'fail'
    end as outcome,
    case
        when l.is_test then 'low'
        when l.audience = 'public' then 'critical'
        else 'high'
    end as severity,
    l.kind,
    l.resource_name as space,
    case when l.audience = 'public' then 'everybody' else 'partners' end as readers,
    l.first_place,
    case
        when l.identity_name is not null then 'it is of ' || l.identity_name || coalesce(', partner ' || l.partner_name, '')
        else 'whose it is: ' || l.link_evidence
    end as leads_to,
    case
        when l.audience is null then 'who can read the space is not known'
        else 'by a form that other texts have too'
    end as why_open,
    l.identity_id as identity,
    l.link_evidence,
    l.owner_mail as owner,
    l.partner_name as partner,
    l.level,
    l.last_used_at as last_used,
    l.places,
    l.audience,
    l.expires_at as expires,
    l.preview,
    l.found_by
from leak_facts l
where l.where_kind = 'shared'
