-- earlier, known -> what the partner was seen with, the tenants where it was, and the secrets that it knows

-- one row a thing, as the newest earlier scan had it
create or replace temp table was_held as
select thing_kind, thing_id, identity_id, name, provider, tenant_id, relation, action, credential_id,
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

-- when the partner was last seen able to read in a tenant
create or replace temp table last_in as
select tenant_id, max(as_of) as at
from earlier
where is_live
    and thing_kind in ('identity', 'app', 'credential', 'trust', 'grant')
group by tenant_id;

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
        greatest(cast($since as timestamp), i.at) as after_at
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
        when o.credential_id is not null and has_credential and credential_at > after_at then 'gone'
        when o.credential_id is not null and has_credential then 'unknown'
        when is_leak_live then 'lives'
        when not is_leak_live then 'gone'
        when is_stored and changed_at is null then 'unknown'
        when is_stored and $since is null then 'undated'
        when is_stored and changed_at > after_at then 'gone'
        when is_stored then 'lives'
        when not is_seen and done_at is not null then 'said'
        when is_seen then 'unknown'
        else 'deleted'
    end as state
from dated o
