-- One row a partner and thing. Of what hangs on an identity, the identity's state decides whether it opens anything.
delete from partner_holdings;

insert into partner_holdings by name
with working as (
    select resource_key, runs_as_key
    from resources
    where runs_as_key is not null
),
-- a workload that runs as an identity acts as it, whether or not the identity holds a credential of its own
employed as (
    select distinct runs_as_key as identity_key
    from working
),
-- freezing stops sign-ins, not tokens, and whoever is switched on again has them again: a token that an app holds outlives its user
lasting as (
    select c.* replace (
            c.is_live
            or (
                c.kind = 'oauth_token'
                and c.app_key is not null
                and lower(c.status) = 'active'
                and coalesce(a.status = 'enabled' or a.is_installed is false, true)
                and coalesce(c.expires_at > s.as_of, true)
            ) as is_live
        )
    from live c
    cross join scans s
    left join identities a on a.identity_key = c.app_key
),
held as (
    select h.partner_id, h.relation, h.evidence,
        i.identity_key, i.identity_id, i.name, i.kind, i.provider, i.tenant_id, i.created_at as made_at,
        f.level, f.last_used_at,
        case
            when i.status = 'enabled' and (w.identity_key is not null or i.kind = 'entity') then true
            when i.status <> 'enabled' and i.kind = 'entity' then false
            else f.has_access
        end as is_live
    from holders h
    join identities i using (identity_key)
    left join identity_facts f using (identity_key)
    left join employed w using (identity_key)
    where not coalesce(i.is_provider_owned, false)
),
things as (
    select partner_id,
        case when kind in ('oauth_app', 'private_app', 'service_key', 'api_key') then 'app' else 'identity' end as thing_kind,
        identity_id as thing_id, identity_key, identity_id, name, provider, tenant_id, relation,
        case when kind in ('oauth_app', 'private_app', 'service_key', 'api_key') then 'close_integration' else 'revoke_access' end
            as action,
        is_live, level, made_at as created_at, cast(null as timestamp) as rotated_at, last_used_at, evidence,
        cast(null as varchar) as credential_id
    from held
    union all
    select h.partner_id, 'credential', c.credential_id, c.identity_key, h.identity_id,
        c.kind || ' ' || c.native_id, c.provider, c.tenant_id, h.relation, 'revoke_access',
        c.is_live, h.level, c.created_at, null, c.last_used_at, 'a credential of ' || h.name || ': ' || h.evidence, null
    from held h
    join lasting c on c.identity_key = h.identity_key
    union all
    -- what a partner's app may do as somebody of ours
    select h.partner_id, 'credential', c.credential_id, c.identity_key, u.identity_id,
        c.kind || ' ' || c.native_id, c.provider, c.tenant_id, h.relation, 'revoke_access',
        c.is_live, f.level, c.created_at, null, c.last_used_at, h.name || ' acts with it as ' || u.name || ': ' || h.evidence, null
    from held h
    join lasting c on c.app_key = h.identity_key and c.app_key <> c.identity_key
    join identities u on u.identity_key = c.identity_key
    left join identity_facts f on f.identity_key = c.identity_key
    union all
    select a.partner_id, 'trust', t.trust_id, t.identity_key, i.identity_id,
        i.name || ' trusts ' || t.principal, i.provider, t.tenant_id,
        case when t.account in (select account from our_accounts) then 'disputed' else a.relation end, 'remove_delegation',
        i.status = 'enabled', f.level, null, null, f.last_used_at, n.seen || ', ' || replace(n.kind, '_', ' ') || ' of the partner', null
    from trust_names n
    join outside_names a on a.kind = n.kind and a.key = n.key
    join trusts t on t.trust_key = n.trust_key
    join identities i on i.identity_key = t.identity_key
    left join identity_facts f on f.identity_key = t.identity_key
    where not coalesce(i.is_provider_owned, false)
        and (a.our_tenant is null or a.our_tenant in (t.tenant_id, split_part(t.tenant_id, ':', 2)))
    union all
    select h.partner_id, 'trust', t.trust_id, t.identity_key, h.identity_id,
        h.name || ' trusts ' || t.principal, h.provider, t.tenant_id, h.relation, 'remove_delegation',
        i.status = 'enabled', h.level, null, null, h.last_used_at, h.evidence, null
    from held h
    join trusts t on t.identity_key = h.identity_key
    join open_trusts o on o.trust_key = t.trust_key
    join identities i on i.identity_key = h.identity_key
    union all
    select a.partner_id, 'grant', g.grant_id, g.identity_key, null,
        coalesce(r.name, g.tenant_id) || ' grants ' || left(g.permission, 120), g.provider, g.tenant_id,
        case when g.account in (select account from our_accounts) then 'disputed' else a.relation end, 'remove_delegation',
        coalesce(g.expires_at > s.as_of, true), null, g.granted_at, null, g.last_used_at,
        'it lets ' || g.principal || ' in, of an ' || replace(a.kind, '_', ' ') || ' of the partner', null
    from grant_names n
    join outside_names a on a.kind = n.kind and a.key = n.key
    join grants g on g.grant_id = n.grant_id
    cross join scans s
    left join resources r on r.resource_key = g.resource_key
    where a.our_tenant is null or a.our_tenant in (g.tenant_id, split_part(g.tenant_id, ':', 2))
    union all
    select h.partner_id, 'grant', g.grant_id, g.identity_key, h.identity_id,
        h.name || ' may ' || left(g.permission, 120) || coalesce(' on ' || r.name, ''), g.provider, g.tenant_id, h.relation,
        -- of a CRM, a grant is a right of its user, which ends with it
        case when g.source = 'delegation' or g.provider = 'aws' then 'remove_delegation' else 'revoke_access' end,
        case when g.expires_at <= s.as_of then false else h.is_live end, h.level, g.granted_at, null, g.last_used_at, h.evidence, null
    from held h
    join grants g on g.identity_key = h.identity_key
    cross join scans s
    left join resources r on r.resource_key = g.resource_key
    union all
    select h.partner_id, 'membership', h.identity_id || ' in ' || m.identity_id, h.identity_key, h.identity_id,
        h.name || ' in ' || m.name, h.provider, h.tenant_id, h.relation,
        case when d.identity_key is null then 'revoke_access' else 'remove_delegation' end,
        h.is_live, h.level, null, null, h.last_used_at, h.evidence, null
    from held h
    join memberships b on b.identity_key = h.identity_key
    join identities m on m.identity_key = b.group_key
    left join (
        select distinct identity_key
        from grants
        where source = 'delegation'
    ) d on d.identity_key = b.group_key
    union all
    -- an account of the partner inside our organization
    select a.partner_id, 'membership', n.node_id, null, null,
        'account ' || a.key || ' in our organization', split_part(n.tenant_id, ':', 1), n.tenant_id, a.relation,
        'remove_delegation', coalesce(n.status <> 'suspended', true), null, null, null, null,
        'its number is an aws account of the partner', null
    from org_nodes n
    join outside_names a on a.kind = 'aws_account' and a.key = split_part(n.tenant_id, ':', 2)
    where n.kind = 'account'
    union all
    select r.partner_id, 'workload', r.resource_id, k.runs_as_key, r.runs_as_id,
        r.kind || ' ' || r.name, r.provider, r.tenant_id, 'operator', 'close_integration',
        i.status = 'enabled', r.level, null, null, null, r.partner_evidence, null
    from resource_facts r
    join resources k on k.resource_key = r.resource_key
    left join identities i on i.identity_key = k.runs_as_key
    where r.partner_id is not null
        and r.is_workload
    union all
    select partner_id, 'secret', place_id, identity_key, identity_id, name, provider, tenant_id, 'knows', 'rotate_shared_secret',
        is_live, level, created_at, rotated_at, last_used_at, evidence, credential_id
    from known
)
select partner_id, thing_kind, thing_id,
    arg_min(identity_key, rank) as identity_key,
    arg_min(identity_id, rank) as identity_id,
    arg_min(name, rank) as name,
    arg_min(provider, rank) as provider,
    arg_min(tenant_id, rank) as tenant_id,
    arg_min(relation, rank) as relation,
    arg_min(action, rank) as action,
    case when bool_or(is_live) then true when count(*) = count(is_live) then false end as is_live,
    max(level) as level,
    min(created_at) as created_at,
    max(rotated_at) as rotated_at,
    max(last_used_at) as last_used_at,
    min(credential_id) as credential_id,
    arg_min(evidence, rank) as evidence
from (
    select *,
        (list_position(['operator', 'beneficiary', 'vendor', 'disputed', 'suggested', 'knows'], relation), evidence) as rank
    from things
)
group by partner_id, thing_kind, thing_id
order by partner_id, thing_kind, thing_id
