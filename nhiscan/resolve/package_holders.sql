-- Identities of partners that hold a package today, once for each package
create or replace temp table package_holders as
select distinct a.identity_key, f.provider, f.environment, k.package_id
from package_assignments k
cross join scans s
join identity_partners a on a.partner_id = k.partner_id and a.verdict = 'asserted'
join identity_facts f on f.identity_key = a.identity_key
where coalesce(k.assigned_at <= cast(s.as_of as date), true)
    and coalesce(k.expires_at >= cast(s.as_of as date), true)
