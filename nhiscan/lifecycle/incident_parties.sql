-- Whom $name means: partners by id, name or alias, and apps and outside accounts by id or name, in any case.
select 'partner' as kind, p.partner_id as id, p.name, 'is partner ' || p.partner_id as why
from partners p
where lower($name) in (lower(p.partner_id), lower(p.name), lower(p.legal_name))
union
select 'partner', p.partner_id, p.name, 'is ' || replace(a.kind, '_', ' ') || ' of partner ' || p.partner_id
from aliases a
join partners p on p.partner_id = a.partner_id
where lower(a.value) = lower($name)
union
select 'app', a.identity_id, a.name, 'is an app of ' || a.tenant_id
from app_facts a
join identities i on i.identity_key = a.identity_key
where lower($name) in (lower(a.name), lower(a.identity_id), lower(i.native_id))
union
select 'app', i.identity_id, i.name, 'is the publisher of an app of ' || i.tenant_id
from signs s
join identities i on i.identity_key = s.identity_key
where s.kind = 'publisher' and lower(s.value) = lower($name)
union
select f.kind || ' of a trust', f.integration_id, f.name, 'is an outside ' || f.kind || ' that ' || f.tenant_id || ' lets in'
from integration_facts f
where lower($name) in (lower(f.name), lower(f.integration_id))
    and f.integration_id not like '%:integration/%'
order by all
