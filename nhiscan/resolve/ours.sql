-- The accounts and issuers that are ours: named in nhiscan.toml, scanned, or members of our organization. A member that the
-- register lists as a partner's is in our organization for that partner, and stays outside.
create or replace temp table our_accounts as
select value as account
from company
where kind = 'aws_account'
union
select split_part(tenant_id, ':', 2)
from tenants
where provider = 'aws'
union
select split_part(tenant_id, ':', 2)
from (select distinct tenant_id from identities where provider = 'aws')
union
select split_part(n.tenant_id, ':', 2)
from org_nodes n
left join aliases a
    on a.kind = 'aws_account'
    and regexp_replace(a.value, '[^0-9]', '', 'g') = split_part(n.tenant_id, ':', 2)
where n.kind = 'account'
    and a.value is null;

create or replace temp table our_issuers as
select rtrim(regexp_replace(lower(value), '^https?://', ''), '/') as issuer
from company
where kind = 'oidc_issuer'
