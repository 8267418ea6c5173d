-- What may hold more of the same and was not wholly read.
select c.tenant_id, string_agg(c.dataset, ', ' order by c.dataset) as datasets, c.status, min(c.reason) as reason
from coverage c
where c.provider <> 'register'
    and c.status not in ('complete', 'not_applicable')
    and split_part(c.dataset, '.', 1) in (
        'identities', 'credentials', 'trusts', 'issuers', 'grants', 'apps', 'auth_roles', 'stored_secrets', 'memberships',
        'delegated_admins', 'workloads', 'sightings', 'usage', 'namespaces', 'external_access', 'organization', 'partner_accounts'
    )
group by c.tenant_id, c.status, case when c.status = 'unsupported' then '' else coalesce(c.reason, '') end
union all
select distinct o.value, 'everything', 'unread', 'nhiscan.toml calls it ours, and no collector read it'
from (
    select case when kind = 'aws_account' then 'aws:' || value else value end as value from company where kind in ('tenant', 'aws_account')
) o
where o.value not in (select tenant_id from coverage)
union all
select 'register', f.holds, 'partial', count(*) || ' rows were not accepted, so that names may be missing'
from quarantine q
join (select distinct file, holds from register_files) f on f.file = q.file
where q.row_dropped
    and f.holds in ('partners', 'aliases', 'identity_map')
    and (q.partner_id is null or q.partner_id in (select unnest($partners::varchar[])))
group by f.holds
union all
select 'every system', 'everything', 'unread', 'no collector read any system'
where not exists (select 1 from coverage where provider <> 'register')
order by all
