-- what could hide something, one row a reason: topic, tenant, what is not known, next step
with recursive partner_coverage as (
    -- the latest word on a dataset that several readers told is the worst
    select n.tenant_id, n.provider, n.dataset,
        string_agg(distinct c.status, ', ' order by c.status) filter (r.tenant_id is null) as status,
        min(coalesce(c.reason, c.call)) filter (r.tenant_id is null) as reason,
        min(c.missing_permission) filter (r.tenant_id is null) as permission,
        bool_or(r.tenant_id is not null) as is_read,
        min(c.collected_at) as collected_at
    from needed n
    left join coverage c on c.tenant_id = n.tenant_id and c.dataset = n.dataset
    left join read_now r on r.tenant_id = n.tenant_id and r.dataset = n.dataset
    group by n.tenant_id, n.provider, n.dataset
),
partner_named as (
    select distinct case a.kind
            when 'aws_account' then 'aws'
            when 'salesforce_account' then 'salesforce'
            when 'hubspot_company' then 'hubspot'
            when 'vault_path' then 'vault'
            when 'entra_tenant' then 'entra'
            when 'gcp_org' then 'gcp'
            when 'github_org' then 'github'
        end as provider,
        'its ' || replace(a.kind, '_', ' ') || ' ' || a.value as named_by
    from aliases a
    where a.partner_id = $partner
        and a.kind in ('aws_account', 'salesforce_account', 'hubspot_company', 'vault_path', 'entra_tenant', 'gcp_org', 'github_org')
    union
    select lower(i.provider), 'package ' || i.package_id
    from package_assignments p
    join package_items i using (package_id)
    where p.partner_id = $partner
        and i.provider <> ''
    union
    select split_part(target_id, ':', 1), 'step ' || step || ' of ' || offboarding_id
    from steps_said
    where regexp_matches(target_id, '^[a-z][a-z0-9_]*:[^/\s]+:')
    union
    select provider, 'an earlier scan'
    from earlier
    where provider is not null
),
below as (
    select partner_id, parent_id
    from partners
    where parent_id = $partner
    union
    select p.partner_id, p.parent_id
    from partners p
    join below b on p.parent_id = b.partner_id
),
-- beside the tenants where the partner was: those of a system in which the register names an account of its
reach as (
    select tenant_id
    from partner_places
    union
    select c.tenant_id
    from coverage c
    join aliases a on (c.provider, a.kind) in (
        ('aws', 'aws_account'), ('salesforce', 'salesforce_account'), ('hubspot', 'hubspot_company'), ('vault', 'vault_path')
    )
    where a.partner_id = $partner
),
outsiders as (
    select f.tenant_id, f.identity_id as id
    from identity_facts f
    where f.tenant_id in (select tenant_id from reach)
        and f.partner_id is null
        and not f.is_provider_owned
        and f.has_access is not false
        and (f.is_external or f.is_trusted_from_outside)
        and f.identity_key not in (select identity_key from partner_holdings where partner_id = $partner and identity_key is not null)
    union
    select tenant_id, name
    from integration_facts
    where tenant_id in (select tenant_id from reach)
        and partner_id is null
        and claims is not null
        and integration_id not in (select thing_id from partner_holdings where partner_id = $partner)
    union
    -- a label names some partner, by a name that the register does not know, such as one of before a renaming
    select f.tenant_id, f.identity_id
    from tags t
    join identity_facts f using (identity_key)
    where f.tenant_id in (select tenant_id from reach)
        and regexp_replace(lower(t.name), '[^a-z]', '', 'g') in ('partner', 'partnerid', 'partnername', 'externalpartner')
        and trim(t.value) <> ''
        and f.partner_id is null
        and not f.is_provider_owned
        and f.has_access is not false
        and f.identity_key not in (select identity_key from partner_holdings where partner_id = $partner and identity_key is not null)
    union
    -- it came from no role or user that is still there, and lives on
    select f.tenant_id, f.identity_id
    from identity_facts f
    where f.tenant_id in (select tenant_id from reach)
        and f.provider = 'vault'
        and f.kind = 'token'
        and f.partner_id is null
        and f.owner_mail is null
        and f.live_credentials > 0
        and f.identity_id not in (select identity_id from scanners)
        and f.identity_key not in (select identity_key from partner_holdings where partner_id = $partner and identity_key is not null)
    union
    -- principals that are told by a condition or an organisation only
    select g.tenant_id, g.grant_id
    from grants g
    where g.tenant_id in (select tenant_id from reach)
        and g.account is null
        and (
            g.principal_kind = 'organization'
            or g.principal_kind = 'any' and (g.narrowed_by is not null or g.has_other_conditions)
        )
)
select case when c.status = 'unsupported' then 'by hand' else 'not read' end as topic, c.tenant_id,
    c.dataset || ' of ' || c.tenant_id || ': ' || coalesce(c.status, 'not looked at')
        || coalesce(', ' || c.reason, '') as says,
    case
        when c.status = 'unsupported' then 'look there by hand'
        else coalesce('allow ' || c.permission, 'let it be read') || ', and scan again'
    end as next_step
from partner_coverage c
where not c.is_read
union all
select 'not read', c.tenant_id, c.dataset || ' of ' || c.tenant_id || ' was last read on ' || strftime(min(c.collected_at), '%Y-%m-%d %H:%M'),
    'scan again'
from coverage c
where c.collected_at < $oldest
    and c.dataset in (select dataset from needed n where n.tenant_id = c.tenant_id)
    and c.status <> 'carried'
group by c.tenant_id, c.dataset
union all
select 'not read', t.tenant_id, t.tenant_id || ' is ours, and nothing of it was read', 'add it to the collector''s settings, and scan again'
from tenants t
where t.provider <> 'register'
    and t.tenant_id not in (select tenant_id from coverage)
union all
select 'not read', v.value, v.value || ' is called ours in nhiscan.toml, and nothing of it was read',
    'add it to the collector''s settings, and scan again'
from company v
where v.kind = 'tenant' -- each account of AWS is among them
    and v.value not in (select tenant_id from coverage)
    and v.value not in (select tenant_id from tenants)
union all
select 'not read', n.tenant_id, 'account ' || split_part(n.tenant_id, ':', 2) || ' (' || n.name || ') is in our organization, and nothing of it was read',
    'add it to collectors.aws, and scan again'
from org_nodes n
where n.kind = 'account'
    and lower(coalesce(n.status, 'active')) <> 'suspended'
    -- a partner's account there is a holding of that partner, and none of ours
    and split_part(n.tenant_id, ':', 2) not in (
        select lpad(regexp_replace(value, '[^0-9]', '', 'g'), 12, '0') from aliases where kind = 'aws_account'
    )
    and n.tenant_id not in (select tenant_id from coverage)
    and n.tenant_id not in (select tenant_id from tenants)
    and n.tenant_id not in (select value from company where kind = 'tenant')
union all
select 'not read', e.tenant_id, 'the partner was seen in ' || e.tenant_id || ' on ' || strftime(max(e.seen_at), '%Y-%m-%d')
        || ', of which this scan holds nothing',
    'read it again, or say in the register that it is no tenant of ours any more'
from was_held e
where e.tenant_id not in (select tenant_id from coverage)
group by e.tenant_id
union all
-- of scans, those since the access was to end, and the one that was the newest then
select 'not read', e.tenant_id, e.tenant_id || ' was read on ' || strftime(max(e.as_of), '%Y-%m-%d') || ', and nothing of it by this scan',
    'add it to the collector''s settings, and scan again'
from earlier_places e
where e.as_of >= (
        select coalesce(max(as_of) filter (as_of <= cast($since as timestamp)), min(as_of))
        from earlier_places
    )
    and e.tenant_id not in (select tenant_id from coverage)
    and e.tenant_id not in (select tenant_id from tenants)
    and e.tenant_id not in (select value from company where kind = 'tenant')
    and e.tenant_id not in (select tenant_id from was_held)
group by e.tenant_id
union all
select 'no collector', null, n.provider || ' is named by ' || min(n.named_by)
        || case when count(*) > 1 then ' and ' || (count(*) - 1) || ' more' else '' end || ', and no tenant of it was read',
    'look there by hand, or let a collector read it'
from partner_named n
where n.provider is not null
    and n.provider not in ('register', 'files')
    and n.provider not in (select provider from coverage c join read_now r using (tenant_id, dataset))
group by n.provider
union all
-- roles that our own sign-on opens: who has an account there does not show in the tenant
select 'no collector', t.tenant_id, 'people sign in to ' || t.tenant_id || ' through ' || min(coalesce(t.issuer, t.principal))
        || ', and who has an account there was not read',
    'look there by hand, or let the portal collector read its export of users'
from trusts t
join identities i using (identity_key)
where t.principal_kind = 'saml'
    and t.tenant_id in (select tenant_id from reach)
    and i.status = 'enabled'
    and not exists (
        select 1
        from read_now r
        where starts_with(r.tenant_id, 'portal:')
            and r.dataset = 'identities'
    )
    and i.identity_key not in (select identity_key from identity_facts where is_trusted_from_outside)
group by t.tenant_id
union all
select 'no collector', n.tenant_id, 'contract ' || c.contract_id || ' covers ' || n.tenant_id || ', of which nothing was read',
    'let its collector read it'
from contract_tenants n
join contracts c using (contract_id)
where c.partner_id = $partner
    and not exists (
        select 1
        from coverage v
        where n.tenant_id in (v.tenant_id, split_part(v.tenant_id, ':', 2))
    )
union all
select 'register', 'register:main', 'the register was not wholly read: ' || c.dataset || ' is ' || string_agg(distinct c.status, ', ' order by c.status)
        || coalesce(', ' || min(c.reason), ''),
    'mend it, and scan again'
from coverage c
where c.dataset in ('register.partners', 'register.aliases', 'register.people', 'register.identity_map', 'register.offboardings',
        'register.offboarding_steps')
    and coalesce(c.original_status, c.status) in ('denied', 'failed', 'truncated')
group by c.dataset
union all
select 'register', 'register:main', 'the register is that of ' || strftime(min(c.collected_at), '%Y-%m-%d %H:%M')
        || ': this scan took it over without reading it',
    'scan without --only, or name register there'
from coverage c
where c.tenant_id = 'register:main'
    and c.status = 'carried'
having count(*) > 0
union all
select 'register', 'register:main', q.file || ':' || q.line || ' was not accepted and may name what is the partner''s: ' || q.problem,
    'mend the row, and scan again'
from quarantine q
join register_files f on f.file = q.file
where q.row_dropped
    and f.holds in ('partners', 'aliases', 'people', 'identity_map', 'offboardings', 'offboarding_steps')
    and coalesce(q.partner_id, $partner) = $partner
    and not starts_with(q.problem, 'says the same as ')
union all
select 'register', 'register:main', 'the register has no alias of the partner: what shows only an account, an address or an id of its cannot be told',
    'write down its accounts, domains and ids, and scan again'
where not exists (select 1 from aliases where partner_id = $partner)
union all
select 'undecided', h.tenant_id, h.thing_kind || ' ' || h.name || ' may be the partner''s (' || h.relation || '): ' || h.evidence,
    'decide with `nhiscan attribute --pattern`, and scan again'
from partner_holdings h
where h.partner_id = $partner
    and h.relation in ('disputed', 'suggested')
    and h.is_live is not false
    and h.thing_kind in ('identity', 'app', 'trust', 'grant', 'workload')
union all
select 'undecided', o.tenant_id, count(*) || ' outsiders in ' || o.tenant_id || ' are nobody''s by the register: '
        || array_to_string(list_sort(list(o.id))[1:3], ', ') || case when count(*) > 3 then ', ...' else '' end,
    'say whose they are with `nhiscan attribute` or an alias, and scan again'
from outsiders o
group by o.tenant_id
union all
select 'undecided', x.tenant_id, 'identity ' || x.name || ' may be the partner''s: ' || x.why,
    'decide with `nhiscan attribute --pattern`, and scan again'
from suspects x
union all
select 'disowned', w.tenant_id, w.thing_kind || ' ' || w.name || ' was the partner''s on ' || strftime(w.seen_at, '%Y-%m-%d')
        || ', still opens something, and nothing says any more that it is',
    'say which partner''s it is with `nhiscan attribute`, or take it back'
from was_then w
where w.state = 'disowned'
    and w.relation in ('operator', 'beneficiary', 'vendor')
    and not exists (
        -- a person has said since that it is another partner's
        select 1
        from identities i
        join identity_partners p using (identity_key)
        where i.identity_id = coalesce(w.identity_id, w.thing_id)
            and p.source = 'identity_map'
            and p.verdict = 'asserted'
            and p.partner_id <> $partner
    )
union all
select 'not read', w.tenant_id, w.thing_kind || ' ' || w.name || ' was the partner''s on ' || strftime(w.seen_at, '%Y-%m-%d')
        || ', and what would show it was not read',
    'let it be read, and scan again'
from was_then w
where w.state = 'unread'
    and w.relation in ('operator', 'beneficiary', 'vendor')
    and w.tenant_id in (select tenant_id from coverage)
union all
select 'unknown', h.tenant_id, h.thing_kind || ' ' || h.name || ' is there, and whether it opens something cannot be said',
    'look there by hand'
from partner_holdings h
where h.partner_id = $partner
    and h.is_live is null
    and h.relation in ('operator', 'beneficiary', 'vendor')
union all
select 'unknown', d.tenant_id, d.thing_kind || ' ' || d.name || ' ' || d.why, 'switch it off or delete it, or look there by hand'
from doors d
union all
select 'secret', k.tenant_id,
    k.name || case k.state
        when 'undated' then ' is known to the partner, and nothing says since when it should not be'
        when 'deleted' then ' was known to the partner and is not there any more; whether what it opened was changed cannot be told'
        when 'early' then ' was replaced on ' || strftime(coalesce(k.credential_at, k.changed_at), '%Y-%m-%d %H:%M') || ', and that the partner could read no more shows from '
            || strftime(k.out_at, '%Y-%m-%d %H:%M') || ' only'
        else ' is known to the partner, and whether it was replaced cannot be told'
    end,
    case k.state
        when 'undated' then 'open an offboarding, or write the end of the contract down'
        when 'deleted' then 'replace it where it was issued, and mark its step as done with --evidence'
        when 'early' then 'mark the steps that took its access back as done, or replace it again'
        else 'look at the system that issued it'
    end
from known_secrets k
where k.state in ('undated', 'deleted', 'unknown', 'early')
union all
select 'secret', r.tenant_id, r.name || ' is shared with partners, and nothing says with which', 'write down whose it is, and scan again'
from resource_facts r
where r.audience = 'partner'
    and r.partner_id is null
union all
select 'step', null, 'step ' || f.step || ' of ' || f.offboarding_id || ' (' || f.action || ' ' || coalesce(f.target_id, '') || '): ' || f.seen,
    'name the target as the inventory does, or look there by hand'
from step_facts f
where f.partner_id = $partner
    and f.is_gone is null
    and f.action in ('revoke_access', 'remove_delegation', 'close_integration', 'rotate_shared_secret')
    and coalesce(f.thing_id, f.target_id) not in (select thing_id from known_secrets)
union all
select 'history', h.tenant_id,
    h.dataset || ' of ' || h.tenant_id || case
        when r.tenant_id is null then ' was not wholly read'
        when h.history_from is null then ' does not say how far back it reaches'
        else ' reaches back to ' || strftime(h.history_from, '%Y-%m-%d') || ' only'
    end || ': use after ' || strftime(cast($since as timestamp), '%Y-%m-%d') || ' may be missing',
    'keep logs longer, and look into an archive for the days before'
from coverage h
left join read_now r on r.tenant_id = h.tenant_id and r.dataset = h.dataset
where h.dataset in ('usage.logins', 'usage.calls')
    and h.tenant_id in (select tenant_id from partner_places)
    and $since is not null
    and (r.tenant_id is null or h.history_from is null or h.history_from > cast($since as timestamp))
    and coalesce(h.original_status, h.status) <> 'not_applicable'
union all
-- what AWS calls temporary credentials work until they expire, whatever became of the key or trust that they came by
select 'session', v.tenant_id,
    'a session that the partner opened in ' || v.tenant_id || ' before ' || strftime(v.out_at, '%Y-%m-%d %H:%M')
        || ' may work until ' || strftime(v.until, '%Y-%m-%d %H:%M') || ', as ' || v.names,
    'deny them everything until then, and scan again after that'
from (
    select w.tenant_id, l.out_at, string_agg(distinct i.name, ', ' order by i.name) as names,
        l.out_at + to_hours(max(case when w.thing_kind = 'credential' then 36 else 12 end)) as until
    from was_held w
    join identities i on i.identity_id = w.identity_id and i.status = 'enabled'
    join last_in l on l.tenant_id = w.tenant_id
    where w.provider = 'aws'
        and w.was_live
        and w.thing_kind in ('credential', 'trust')
        and w.relation in ('operator', 'beneficiary', 'vendor')
    group by w.tenant_id, l.out_at
) v
cross join scans s
where s.as_of < v.until
union all
select 'other partner', null, p.name || ' (' || p.partner_id || ') stands below the partner in the register and holds '
        || count(distinct h.thing_id) || ' things of its own',
    'verify it too: nhiscan partner verify ' || p.partner_id
from (select distinct partner_id from below) b
join partners p using (partner_id)
join partner_holdings h on h.partner_id = p.partner_id
where p.partner_id <> $partner
    and h.is_live is not false
group by p.partner_id, p.name
union all
select 'other partner', null, p.name || ' (' || p.partner_id || ') ' || any_value(k.why) || ', and holds '
        || count(distinct h.thing_id) || ' things of its own',
    'make sure which of the two is meant, and verify it too: nhiscan partner verify ' || p.partner_id
from namesakes k
join (select partner_id, min(name) as name from partners group by partner_id) p using (partner_id)
join partner_holdings h on h.partner_id = p.partner_id
where p.partner_id not in (select partner_id from below)
    and h.is_live is not false
group by p.partner_id, p.name
order by all
