-- Enabled identities that the provider itself calls outsiders. Customers and guests of a public site are nobody's partner.
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when f.partner_id is not null and f.partner_confidence >= $min_confidence then 'pass'
        when f.partner_id is null and f.is_partner_disputed then 'unknown'
        else 'fail'
    end as outcome,
    case when f.level >= 3 then 'high' else 'medium' end as severity,
    f.name as identity,
    f.kind,
    coalesce(f.licence || ' licence', 'marked as external') as licence,
    case
        when f.partner_id is null then 'no partner in the register stands for it'
        else 'only weak evidence says that it belongs to ' || coalesce(f.partner_name, f.partner_id)
    end as problem,
    f.level,
    f.last_used_at as last_used
from identity_facts f
where f.is_enabled
    and f.is_external
    and coalesce(f.licence, '') not in ('customer', 'guest')
    and coalesce(f.kind, '') <> 'guest'
    and not coalesce(f.is_provider_owned, false)
