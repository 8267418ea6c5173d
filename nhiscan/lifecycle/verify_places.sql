-- earlier, known -> what the partner was seen with, the tenants where it was, what opens in ways that no credential shows, and the
-- secrets that it knows

-- one row a thing, as the newest earlier scan had it, and as surely the partner's as any had it
create or replace temp table was_held as
select thing_kind, thing_id, identity_id, name, provider, tenant_id,
    first_value(relation) over (
        partition by thing_kind, thing_id
        order by list_position(['operator', 'beneficiary', 'vendor', 'knows', 'disputed', 'suggested'], relation)
    ) as relation,
    action, credential_id,
    bool_or(is_live is not false) over (partition by thing_kind, thing_id) as was_live,
    as_of as seen_at
from earlier
qualify row_number() over (partition by thing_kind, thing_id order by as_of desc) = 1;

create or replace temp table partner_places as
select distinct tenant_id
from (
    select tenant_id from partner_holdings where partner_id = $partner
    union all
    select tenant_id from earlier
    union all
    select tenant_id from partner_tenants where partner_id = $partner
    union all
    select n.tenant_id
    from contract_tenants n
    join contracts c using (contract_id)
    where c.partner_id = $partner
)
where tenant_id is not null;

-- where nothing says where it was, it may have been anywhere
insert into partner_places
select distinct tenant_id
from coverage
where provider <> 'register'
    and (select count(*) from partner_places) = 0;

-- when the partner was last seen able to read in a tenant, and by when surely no more: as a scan or the steps say that ended it
create or replace temp table last_in as
with seen as (
    select tenant_id, max(as_of) as at
    from earlier
    where is_live
        and thing_kind in ('identity', 'app', 'credential', 'trust', 'grant')
    group by tenant_id
)
select s.tenant_id, s.at,
    case
        when cast($ended as timestamp) > s.at then cast($ended as timestamp)
        else coalesce(min(e.as_of) filter (e.as_of > s.at), any_value(n.as_of))
    end as out_at
from seen s
cross join scans n
left join earlier_places e using (tenant_id)
group by s.tenant_id, s.at;

-- No credential of theirs was seen, and they may open something all the same: by sign-on, assertion, directory or certificate.
create or replace temp table doors as
select h.thing_kind, h.thing_id, h.name, h.tenant_id,
    case
        when i.status <> 'enabled' then 'was invited, and whether the invitation can still be accepted does not show'
        when i.provider = 'vault' then 'lets in whoever ' || upper(a.methods) || ' says it is, which shows there only'
        when i.provider = 'aws' and t.has_certificates then 'lets in whoever holds a certificate of a trust anchor'
        when i.provider = 'aws' then 'lets in ' || t.nobodys || ', for which nobody answers'
        when h.thing_kind = 'app' then 'is switched on, and gets tokens by ' || s.flows || ' of nobody''s consent'
        else 'is switched on, and may sign in by single sign-on or a signed assertion, of which nothing is left to see'
    end as why
from partner_holdings h
join identities i using (identity_key)
left join (
    -- those of which the vault itself keeps what is needed to log in
    select identity_key, string_agg(distinct method, ', ' order by method) as methods
    from auth_roles
    where method not in ('approle', 'userpass', 'token')
    group by identity_key
) a using (identity_key)
left join (
    select t.identity_key,
        bool_or(t.principal_kind = 'service' and t.principal = 'rolesanywhere.amazonaws.com') as has_certificates,
        min(f.name) as nobodys
    from trusts t
    left join identities o on o.native_id = t.principal and o.provider = 'aws' and t.principal_kind = 'identity'
    left join identity_facts f
        on f.identity_key = o.identity_key
        and f.live_credentials > 0
        and f.owner_mail is null
        and f.partner_id is null
    group by t.identity_key
) t using (identity_key)
left join app_settings s using (identity_key)
where h.partner_id = $partner
    and h.relation in ('operator', 'beneficiary', 'vendor')
    and h.thing_kind in ('identity', 'app')
    and h.is_live is false
    and i.kind not in ('group', 'entity')
    and case
        when i.status = 'invited' then i.identity_key not in (select identity_key from credentials where kind = 'invitation')
        when i.status <> 'enabled' then false
        when i.provider = 'vault' then a.methods is not null
        when i.provider = 'aws' then t.has_certificates or t.nobodys is not null
        when h.thing_kind = 'app' then regexp_matches(s.flows, 'client_credentials|jwt_bearer|saml_bearer|token_exchange')
        else true
    end;

-- whom attribution leaves alone, and in whose texts a domain, an account or a person of the partner stands
create or replace temp table suspects as
with own_domains as (
    select distinct ltrim(lower(trim(value)), '@') as domain
    from aliases
    where partner_id = $partner
        and kind = 'mail_domain'
        and exclusive is not false
        and trim(value) <> ''
),
own_accounts as (
    select distinct lpad(regexp_replace(value, '[^0-9]', '', 'g'), 12, '0') as account
    from aliases
    where partner_id = $partner
        and kind = 'aws_account'
),
makers as (
    select lower(mail) as maker
    from people
    where partner_id = $partner
    union
    select lower(unnest([i.mail, i.name, i.native_id]))
    from partner_holdings h
    join identities i using (identity_key)
    where h.partner_id = $partner
        and h.thing_kind = 'identity'
        and h.relation in ('operator', 'beneficiary', 'vendor')
),
texts as (
    select i.identity_key, lower(trim(split_part(t.text, '@', -1))) as host, 'its address ' || t.text || ' lies below ' as says
    from identities i
    cross join unnest([i.mail, i.name]) t (text)
    where t.text like '%_@_%'
    union all
    select t.identity_key, lower(regexp_extract(t.issuer, '^(?:https?://)?([^/:]+)', 1)), 'it accepts tokens of ' || t.issuer || ', which lies below '
    from trusts t
    where t.issuer <> ''
),
found as (
    select t.identity_key, t.says || d.domain as why
    from texts t
    join own_domains d on t.host = d.domain or ends_with(t.host, '.' || d.domain)
    union all
    select a.identity_key, 'a login of ' || a.method || ' is bound to account ' || o.account || ' of the partner'
    from auth_roles a
    join own_accounts o on contains(a.bound_claims, o.account)
    union all
    select i.identity_key, 'it was made by ' || i.created_by || ', who is the partner''s, and nobody answers for it'
    from identities i
    join identity_facts f using (identity_key)
    where f.owner_mail is null
        and (lower(i.created_by) in (select maker from makers) or split_part(lower(i.created_by), '@', 2) in (select domain from own_domains))
)
select i.tenant_id, i.name, min(d.why) as why
from found d
join identities i using (identity_key)
join identity_facts f using (identity_key)
where f.partner_id is null
    and not f.is_provider_owned
    and (f.has_access is not false or f.is_enabled and i.provider = 'vault')
    and i.identity_key not in (
        select identity_key
        from partner_holdings
        where partner_id = $partner
            and identity_key is not null
    )
group by i.identity_key, i.tenant_id, i.name;

create or replace temp table known_secrets as
with named as (
    select thing_id, name, provider, tenant_id, credential_id, true as is_held
    from partner_holdings
    where partner_id = $partner
        and action = 'rotate_shared_secret'
    union all
    select thing_id, name, provider, tenant_id, credential_id, false
    from was_held
    where action = 'rotate_shared_secret'
        and relation not in ('disputed', 'suggested')
),
one as (
    select *
    from named
    qualify row_number() over (partition by thing_id order by is_held desc, credential_id nulls last) = 1
),
dated as (
    select o.*,
        r.resource_key is not null as is_stored,
        greatest(t.updated_at, t.rotated_at) as changed_at,
        p.place_id is not null or l.leak_id is not null as is_seen,
        l.is_live as is_leak_live,
        c.credential_key is not null as has_credential,
        c.is_live as is_credential_live,
        c.created_at as credential_at,
        d.done_at,
        d.says as done_says,
        greatest(cast($since as timestamp), i.at) as after_at,
        i.out_at
    from one o
    left join resources r on r.resource_id = o.thing_id
    left join (
        select resource_key, min(updated_at) as updated_at, min(rotated_at) as rotated_at
        from stored_secrets
        group by resource_key
    ) t using (resource_key)
    left join secret_places p on p.place_id = o.thing_id
    left join leak_facts l on l.leak_id = o.thing_id
    left join credential_facts c on c.credential_id = o.credential_id
    left join last_in i on i.tenant_id = o.tenant_id
    left join (
        select target_id, max(done_at) as done_at, arg_max(says, done_at) as says
        from steps_said
        where action = 'rotate_shared_secret'
            and done_at is not null
        group by target_id
    ) d on d.target_id = o.thing_id
)
select *,
    case
        when o.credential_id is not null and has_credential and not is_credential_live then 'gone'
        when o.credential_id is not null and has_credential and $since is null then 'undated'
        when o.credential_id is not null and has_credential and credential_at <= after_at then 'lives'
        when o.credential_id is not null and has_credential and credential_at <= out_at then 'early'
        when o.credential_id is not null and has_credential and credential_at > after_at then 'gone'
        when o.credential_id is not null and has_credential then 'unknown'
        when is_leak_live then 'lives'
        when not is_leak_live then 'gone'
        when is_stored and changed_at is null then 'unknown'
        when is_stored and $since is null then 'undated'
        when is_stored and changed_at > after_at and changed_at <= out_at then 'early'
        when is_stored and changed_at > after_at then 'gone'
        when is_stored then 'lives'
        when not is_seen and done_at is not null then 'said'
        when is_seen then 'unknown'
        else 'deleted'
    end as state
from dated o
