-- What is within a partner's reach and can be spoken to without encryption. Clients mostly encrypt where it is optional, so that is
-- worth less than a channel that has none.
select
    r.resource_id as subject_id,
    r.tenant_id,
    case
        when r.encrypted_in_transit in ('optional', 'none') then 'fail'
        when r.encrypted_in_transit = 'enforced' then 'pass'
        else 'unknown'
    end as outcome,
    case when r.encrypted_in_transit = 'none' then 'high' else 'medium' end as severity,
    r.kind,
    r.name as resource,
    case
        when r.encrypted_in_transit = 'none' then 'is reached without encryption'
        else 'accepts plain connections beside encrypted ones'
    end as problem,
    r.partner_name as partner
from resource_facts r
where r.kind in ('bucket', 'queue', 'topic', 'listener', 'webhook', 'content_library')
    and (r.is_partner_related or r.is_open_to_outside)
