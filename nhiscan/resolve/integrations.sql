-- One row an outside account or app and tenant of ours. An app of a trust is told by the narrowest thing that its trust names: an
-- organisation in the subject, else the client id that tokens are for, else the issuer itself.
delete from integration_facts;

insert into integration_facts by name
with tokens as (
    select t.trust_key, t.tenant_id, t.identity_key,
        rtrim(regexp_replace(lower(t.issuer), '^https?://', ''), '/') as issuer
    from trusts t
    join identities i using (identity_key)
    where t.principal_kind in ('oidc', 'saml')
        and t.issuer <> ''
        and not coalesce(i.is_provider_owned, false)
),
asked as (
    select k.trust_key,
        case
            when c.name ilike '%:sub' then lower(regexp_extract(c.value, '^repo:([^/@*?]+)[/@]', 1))
            when c.name ilike '%:repository' then lower(regexp_extract(c.value, '^([^/@*?]+)/', 1))
            else ''
        end as organisation,
        case when c.name ilike '%:aud' and not regexp_matches(c.value, '[*?]') then c.value else '' end as client
    from tokens k
    join trust_conditions c using (trust_key)
    where c.operator not ilike '%not%'
),
told as (
    select k.trust_key, k.tenant_id, k.identity_key, k.issuer,
        max(nullif(a.organisation, '')) is not null as has_organisation,
        -- the audience of AWS itself says nothing about who asks
        max(nullif(nullif(a.client, ''), 'sts.amazonaws.com')) is not null as has_client
    from tokens k
    left join asked a using (trust_key)
    where k.issuer not in (select issuer from our_issuers)
    group by all
),
let_in as (
    select t.tenant_id, t.identity_key, null as resource_key, 'account' as kind, t.account as name,
        'aws_account' as alias_kind, t.account as alias
    from trusts t
    join identities i using (identity_key)
    where t.mechanism = 'assume_role'
        and t.account not in (select account from our_accounts)
        and not coalesce(i.is_provider_owned, false)
    union
    select g.tenant_id, null, coalesce(g.resource_key, -1), 'account', g.account, 'aws_account', g.account
    from grants g
    where g.principal_kind in ('any', 'account', 'identity', 'federated')
        and g.account not in (select account from our_accounts)
    union
    select k.tenant_id, k.identity_key, null, 'app', k.issuer || '/' || a.organisation, 'github_org', a.organisation
    from told k
    join asked a using (trust_key)
    where a.organisation <> ''
    union
    select k.tenant_id, k.identity_key, null, 'app', a.client, 'client_id', a.client
    from told k
    join asked a using (trust_key)
    where not k.has_organisation
        and a.client not in ('', 'sts.amazonaws.com')
    union
    select k.tenant_id, k.identity_key, null, 'app', k.issuer, 'entra_tenant',
        regexp_extract(k.issuer, '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')
    from told k
    where not k.has_organisation
        and not k.has_client
),
claimed as (
    select l.tenant_id, l.kind, l.name,
        count(distinct a.partner_id) as claims,
        case when count(distinct a.partner_id) = 1 and bool_and(a.is_exclusive) then min(a.partner_id) end as partner_id
    from (select distinct tenant_id, kind, name, alias_kind, alias from let_in) l
    join integration_aliases a
        on a.kind = l.alias_kind
        and a.value = l.alias
        and (a.our_tenant is null or a.our_tenant in (l.tenant_id, split_part(l.tenant_id, ':', 2)))
    group by l.tenant_id, l.kind, l.name
)
select l.tenant_id || ':' || l.kind || '/' || l.name as integration_id,
    l.tenant_id,
    l.kind,
    l.name,
    any_value(c.partner_id) as partner_id,
    coalesce(any_value(c.claims), 0) as claims,
    count(distinct l.identity_key) as trusts,
    count(distinct l.resource_key) as grants,
    max(f.level) as level
from let_in l
left join identity_facts f on f.identity_key = l.identity_key
left join claimed c on c.tenant_id = l.tenant_id and c.kind = l.kind and c.name = l.name
group by l.tenant_id, l.kind, l.name
order by integration_id;

-- Apps that a CRM lets act as its users. What attribution says of an app is who claims it; an app without a publisher, where the
-- system lets us make apps of our own, may be ours. Whoever publishes under a mail domain of ours is no outsider.
insert into integration_facts by name
with published as (
    select identity_key,
        bool_or(lower(value) in (select lower(value) from company where kind = 'mail_domain')) as is_ours
    from signs
    where kind = 'publisher'
    group by identity_key
),
claimed as (
    select identity_key,
        count(distinct partner_id) as claims,
        case when count(distinct partner_id) = 1 and bool_and(verdict = 'asserted') then min(partner_id) end as partner_id
    from identity_partners
    where verdict in ('asserted', 'conflict')
    group by identity_key
)
select a.tenant_id || ':integration/' || i.native_id as integration_id,
    a.tenant_id,
    'app' as kind,
    a.name,
    c.partner_id,
    coalesce(c.claims, case when p.identity_key is not null or i.provider = 'hubspot' then 0 end) as claims,
    a.token_users as trusts,
    0 as grants,
    a.level
from app_facts a
join identities i using (identity_key)
left join published p using (identity_key)
left join claimed c using (identity_key)
where i.kind = 'oauth_app'
    and i.status = 'enabled'
    and not coalesce(i.is_provider_owned, false)
    and a.is_installed is not false
    and (c.claims > 0 or not coalesce(p.is_ours, false))
order by integration_id;

drop table integration_aliases
