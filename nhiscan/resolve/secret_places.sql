-- seen, seen_values, linked, doubted -> secret_places
delete from secret_places;

insert into secret_places by name
select p.place_id, v.value_number, p.is_stored, p.is_secret, p.kind, p.where_kind, p.location, p.name, p.provider, p.tenant_id,
    p.native_id,
    -- revisions of a task definition that run beside each other are one workload
    coalesce(case when r.kind = 'task' then regexp_replace(r.resource_id, ':\d+$', '') else r.resource_id end, h.identity_id)
        as holder_id,
    r.resource_id,
    coalesce(r.environment, h.environment) as environment,
    coalesce(r.partner_id, h.partner_id) as partner_id,
    coalesce(r.partner_name, h.partner_name) as partner_name,
    c.credential_id,
    i.identity_id,
    coalesce(l.evidence, d.evidence) as evidence
from seen p
left join seen_values v using (fingerprint)
left join resource_facts r on r.resource_key = p.resource_key
left join identity_facts h on h.identity_key = p.identity_key
left join linked l on l.place_id = p.place_id
left join doubted d on d.place_id = p.place_id
left join credentials c on c.credential_key = l.credential_key
left join identities i on i.identity_key = l.identity_key
order by p.place_id
