-- What lets it in, and who is said to stand behind that; the first twenty each.
with roles as (
    select
        o.integration_id,
        f.identity_id,
        f.partner_name,
        f.owner_mail,
        f.last_used_at,
        min(t.statement) as statement,
        row_number() over (partition by o.integration_id order by f.level desc, f.identity_id) as place
    from integration_facts o
    join trusts t on t.tenant_id = o.tenant_id
    join identity_facts f on f.identity_key = t.identity_key
    where o.claims <> 1
        and ((o.kind = 'account' and t.account = o.name and t.mechanism = 'assume_role')
            or (o.kind = 'app' and t.principal_kind in ('oidc', 'saml')
                and (lower(t.issuer) like '%' || o.name || '%' or t.statement like '%' || o.name || '%')))
    group by o.integration_id, f.identity_id, f.partner_name, f.owner_mail, f.last_used_at, f.level
),
used as (
    select
        o.integration_id,
        r.resource_id,
        r.kind,
        min(g.permission) as permission,
        row_number() over (partition by o.integration_id order by r.kind, r.resource_id) as place
    from integration_facts o
    join grants g on g.tenant_id = o.tenant_id and g.account = o.name
    join resource_facts r on r.resource_key = g.resource_key
    where o.claims <> 1
        and o.kind = 'account'
    group by o.integration_id, r.resource_id, r.kind
),
apps as (
    select
        o.integration_id,
        f.identity_key,
        f.identity_id,
        a.scopes
    from integration_facts o
    join identity_facts f on f.tenant_id = o.tenant_id and o.integration_id = f.tenant_id || ':integration/' || f.native_id
    left join app_facts a on a.identity_key = f.identity_key
    where coalesce(o.claims, 0) <> 1
        and o.kind = 'app'
        and f.kind = 'oauth_app'
),
held as (
    select
        p.integration_id,
        c.identity_id,
        min(c.created_at) as since,
        max(c.last_used_at) as last_at,
        row_number() over (partition by p.integration_id order by min(c.created_at), c.identity_id) as place
    from apps p
    join credential_facts c on c.app_id = p.identity_id
    where c.is_live
    group by p.integration_id, c.identity_id
)
select
    r.integration_id as subject_id,
    'may become ' || r.identity_id as label,
    'of ' || coalesce(r.partner_name, 'no partner') || ', owner ' || coalesce(r.owner_mail, 'nobody')
    || coalesce(', last used ' || cast(r.last_used_at as varchar), '') || coalesce('; ' || r.statement, '') as value
from roles r
where r.place <= 20
union all
select
    u.integration_id,
    'may use ' || u.resource_id,
    u.kind || coalesce(': ' || u.permission, '')
from used u
where u.place <= 20
union all
select
    h.integration_id,
    'acts as ' || h.identity_id,
    coalesce('since ' || cast(h.since as varchar), 'since when is not known')
    || coalesce(', last at ' || cast(h.last_at as varchar), '')
from held h
where h.place <= 20
union all
select
    p.integration_id,
    'scopes',
    p.scopes
from apps p
union all
select
    p.integration_id,
    'shows ' || s.kind,
    s.value
from apps p
join signs s on s.identity_key = p.identity_key
