-- secret_places, sightings, made_by, key_accounts -> leak_facts: what stands in repositories, folders and shared spaces, one row a
-- value and place. A finding of another scanner that came without its value is the one that stands on the same line, if that
-- is one, else a leak of its own.
delete from leak_facts;

create or replace temp table stood as
with texts as (
    select p.*, s.audience, s.severity, s.confidence, s.is_test, s.is_current, s.is_verified, s.found_by, s.path, s.line, s.commit,
        s.author, s.first_seen_at, s.last_seen_at, s.expires_at, m.issuer, m.tenant_id as issuer_tenant, s.preview
    from secret_places p
    join (
        select s.*, r.audience
        from sightings s
        join resources r using (resource_key)
    ) s on s.sighting_id = p.place_id
    left join made_by m using (place_id)
    where p.is_secret
        and p.where_kind in ('repo', 'pipeline', 'repo_history', 'file', 'shared')
),
lines as (
    select resource_id, path, line, min(value_number) as value_number
    from texts
    where value_number is not null
        and line is not null
    group by resource_id, path, line
    having count(distinct value_number) = 1
)
select t.* replace (coalesce(t.value_number, l.value_number) as value_number),
    coalesce(cast(coalesce(t.value_number, l.value_number) as varchar), t.place_id) as leak
from texts t
left join lines l on l.resource_id = t.resource_id and l.path = t.path and l.line = t.line and t.value_number is null;

-- Accounts of ours whose access keys were all read: a key of theirs that is not among them was deleted. The keys of a root user
-- have no ids there.
create or replace temp table gone_keys as
select i.place_id
from ids i
join key_accounts k on k.native_id = i.native_id
where starts_with(i.native_id, 'AKIA')
    and exists (
        select *
        from coverage c
        where c.tenant_id = 'aws:' || k.account
            and c.dataset = 'credentials'
            and c.status = 'complete'
    )
    and not exists (
        select *
        from credentials c
        where c.tenant_id = 'aws:' || k.account
            and c.kind = 'access_key'
            and (c.native_id = i.native_id or not regexp_matches(c.native_id, '^A[KS]IA'))
    );

insert into leak_facts by name
with ordered as (
    select s.*,
        g.place_id is not null as is_gone,
        row_number() over (
            partition by s.resource_id, s.leak
            -- our own word before that of another scanner, which knows no more than the line
            order by s.first_seen_at nulls last, s.found_by is not null, not s.is_current, s.place_id
        ) as place
    from stood s
    left join gone_keys g using (place_id)
),
leaks as (
    select resource_id, leak,
        min(value_number) as value_number,
        min(place_id) filter (place = 1) as leak_id,
        min(tenant_id) as tenant_id,
        min(audience) as audience,
        min(environment) as environment,
        arg_min(where_kind, list_position(['shared', 'pipeline', 'repo', 'file', 'repo_history'], where_kind)) as where_kind,
        min(kind) filter (place = 1) as kind,
        min(preview) filter (place = 1) as preview,
        arg_min(severity, list_position(['critical', 'high', 'medium', 'low', 'info'], severity)) as severity,
        max(confidence) as confidence,
        bool_and(coalesce(is_test, false)) as is_test,
        bool_or(is_current) as is_current,
        bool_or(is_verified) as is_verified,
        string_agg(distinct coalesce(found_by, 'nhiscan'), ', ' order by coalesce(found_by, 'nhiscan')) as found_by,
        count(*) as places,
        min(coalesce(path || coalesce(':' || cast(line as varchar), ''), location)) filter (place = 1) as first_place,
        min(commit) filter (place = 1) as commit,
        min(author) filter (place = 1) as author,
        min(first_seen_at) as first_seen_at,
        case when count(last_seen_at) = count(*) then max(last_seen_at) end as last_seen_at,
        max(expires_at) as expires_at,
        case when count(distinct issuer) = 1 then min(issuer) end as issuer,
        case when count(distinct issuer_tenant) = 1 then min(issuer_tenant) end as issuer_tenant,
        case when count(distinct credential_id) = 1 and count(distinct identity_id) = 1 then min(credential_id) end as credential_id,
        case when count(distinct identity_id) = 1 then min(identity_id) end as identity_id,
        min(evidence) filter (identity_id is not null) as evidence,
        case
            when count(distinct identity_id) > 1
                then count(distinct identity_id) || ' identities fit, so none is said: '
                    || string_agg(distinct evidence, '; ' order by evidence)
            else min(evidence) filter (identity_id is null)
        end as doubt,
        bool_and(is_gone) as is_gone,
        min(partner_id) as place_partner_id
    from ordered
    group by resource_id, leak
),
partner_names as (
    select partner_id, min(name) as name
    from partners
    group by partner_id
)
select l.leak_id, l.tenant_id, l.resource_id, r.name as resource_name, l.audience, l.environment, l.where_kind, l.kind,
    l.value_number, l.preview, l.severity, l.confidence, l.is_test, l.is_current, l.is_verified, l.found_by, l.places,
    l.first_place, l.commit, l.author, l.first_seen_at, l.last_seen_at, l.expires_at, l.issuer,
    -- the inventory knows better than what an id seems to say
    coalesce(c.tenant_id, case when i.provider = l.issuer then i.tenant_id end, l.issuer_tenant) as issuer_tenant,
    case
        when l.credential_id is not null then 'credential'
        when l.identity_id is not null then 'identity'
        when l.issuer_tenant is not null then 'tenant'
        when l.issuer is not null then 'provider'
        else 'none'
    end as link,
    case
        when l.identity_id is not null then l.evidence
        when l.doubt is not null then l.doubt
        when l.is_gone then 'it is of ' || l.issuer_tenant || ', whose keys were all read, and none of these: it was deleted'
        when t.tenant_id is not null then 'it is of ' || l.issuer_tenant || ', and nothing says which credential there'
        when l.issuer_tenant is not null then 'it is of ' || l.issuer_tenant || ', which is not in the inventory'
        when l.issuer is not null then 'its form is that of ' || l.issuer || ', and nothing says which account'
        else 'nothing says whose it is'
    end as link_evidence,
    l.credential_id,
    case
        when l.expires_at <= n.as_of then false
        when l.credential_id is not null then c.is_live
        when l.is_gone or not i.is_enabled then false
    end as is_live,
    l.identity_id,
    i.name as identity_name,
    i.level,
    coalesce(c.last_used_at, case when l.credential_id is null then i.last_used_at end) as last_used_at,
    case when l.identity_id is not null then i.partner_id else l.place_partner_id end as partner_id,
    p.name as partner_name,
    coalesce(i.owner_mail, r.owner_mail) as owner_mail
from leaks l
join resource_facts r on r.resource_id = l.resource_id
left join identity_facts i on i.identity_id = l.identity_id
left join credential_facts c on c.credential_id = l.credential_id
cross join (
    select max(as_of) as as_of
    from scans
) n
left join tenants t on t.tenant_id = l.issuer_tenant
left join partner_names p
    on p.partner_id = case when l.identity_id is not null then i.partner_id else l.place_partner_id end
order by l.leak_id
