-- Live credentials whose value was seen somewhere: of one that nobody saw, no store can be asked. What stands in older commits
-- only counts as outside too, because it was copied from there.
with seen as (
    select
        credential_id,
        max(case when is_stored then 1 else 0 end) as is_stored,
        count(distinct case when not is_stored then coalesce(holder_id, location) end) as holders,
        min(case when not is_stored then location end) as first_location
    from secret_places
    where credential_id is not null
        and is_secret
    group by credential_id
),
compared as (
    select count(*) as stores
    from secret_places
    where is_stored
)
select
    c.credential_id as subject_id,
    c.tenant_id,
    case
        when s.is_stored = 1 then 'pass'
        when c.is_live is null then 'unknown'
        when p.stores = 0 then 'unknown'
        else 'fail'
    end as outcome,
    case when c.level >= $strong_level then 'high' else 'medium' end as severity,
    c.kind,
    c.native_id,
    c.identity_name as identity,
    case
        when s.holders = 1 then s.first_location
        else s.first_location || ' and ' || cast(s.holders - 1 as varchar) || ' more'
    end as places,
    c.partner_name as partner,
    c.owner_mail as owner,
    c.created_at as created,
    c.last_used_at as last_used,
    c.level
from credential_facts c
join seen s on s.credential_id = c.credential_id
cross join compared p
where coalesce(c.is_live, true)
