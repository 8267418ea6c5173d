-- Findings by id with what a person's commands need to know of their subjects. What a credential of the inventory is behind
-- a leak or a place, and the keys of an identity, nhiscan/lifecycle/targets.sql knows; the rest is told here.
select
    f.finding_id,
    f.rule_id,
    f.subject_id,
    f.subject_name,
    f.tenant_id,
    nullif(substr(f.tenant_id, length(split_part(f.tenant_id, ':', 1)) + 2), '') as tenant,
    f.identity_id,
    f.partner_id,
    f.subject_kind as thing_kind,
    f.subject_id as thing_id,
    coalesce(f.provider, '') as provider,
    coalesce(r.kind, p.kind, o.kind, e.kind, l.kind, '') as kind,
    coalesce(r.name, p.name, o.name, g.name, s.name, l.resource_name, f.subject_name, '') as name,
    coalesce(r.native_id, p.native_id, g.native_id, '') as native_id,
    coalesce(r.region, '') as region,
    coalesce(l.resource_id, s.applies_to, '') as holder_name,
    case
        when f.subject_kind = 'leak' and l.credential_id is not null then 'secret'
        when f.subject_kind = 'resource' and r.kind in ('secret', 'parameter', 'secret_field') then 'secret'
        when f.subject_kind = 'resource' and w.is_workload then 'workload'
        when f.subject_kind in ('identity', 'credential') then f.subject_kind
    end as known_as
from findings f
left join resources r on f.subject_kind = 'resource' and r.resource_id = f.subject_id
left join resource_facts w on w.resource_key = r.resource_key
left join policies p on f.subject_kind = 'policy' and p.policy_id = f.subject_id
left join integration_facts o
    on f.subject_kind = 'integration' and o.integration_id = f.subject_id and o.tenant_id = f.tenant_id
left join identities g on f.subject_kind = 'role' and g.identity_id = f.subject_id
left join role_facts e on f.subject_kind = 'role' and e.role_id = f.subject_id
left join setting_facts s on f.subject_kind = 'setting' and s.setting_id = f.subject_id
left join leak_facts l on f.subject_kind = 'leak' and l.leak_id = f.subject_id
where f.finding_id in (select unnest($ids))
order by f.finding_id
