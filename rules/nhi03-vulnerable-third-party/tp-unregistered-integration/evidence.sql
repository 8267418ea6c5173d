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
