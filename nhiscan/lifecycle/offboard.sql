-- What has to be taken back from a partner, in the order of doing. A membership or a grant goes with its identity, unless it
-- delegates something of ours.
with held as (
    select *
    from partner_holdings
    where partner_id = $partner
        and relation in ('operator', 'beneficiary', 'vendor', 'knows')
        and is_live is not false
),
others as (
    select p.identity_key, string_agg(distinct coalesce(n.name, p.partner_id), ', ' order by coalesce(n.name, p.partner_id)) as names
    from identity_partners p
    left join partner_facts n on n.partner_id = p.partner_id
    where p.verdict = 'asserted'
        and p.partner_id <> $partner
        and p.identity_key in (select identity_key from held)
    group by p.identity_key
),
-- the same value or the same credential elsewhere, and who reads it
values_of as (
    select h.thing_id, s.value_number, s.credential_id
    from held h
    join secret_places s on s.place_id = h.thing_id
    where h.thing_kind = 'secret'
    union
    select h.thing_id, l.value_number, l.credential_id
    from held h
    join leak_facts l on l.leak_id = h.thing_id
    where h.thing_kind = 'secret'
),
users as (
    select thing_id, string_agg(distinct who, ', ' order by who) as names
    from (
        select v.thing_id, coalesce(s.holder_id, s.location) as who
        from values_of v
        join secret_places s on s.value_number = v.value_number and s.place_id <> v.thing_id
        union
        select v.thing_id, coalesce(s.holder_id, s.location)
        from values_of v
        join secret_places s on s.credential_id = v.credential_id and s.place_id <> v.thing_id
        union
        select h.thing_id, i.identity_id
        from held h
        join resources r on r.resource_id = h.thing_id
        join access_edges e on e.resource_key = r.resource_key
        join identities i on i.identity_key = e.from_key
        left join identity_partners p on p.identity_key = i.identity_key and p.partner_id = $partner
        where h.thing_kind = 'secret'
            and p.identity_key is null
    )
    group by thing_id
)
select h.thing_kind, h.thing_id, h.identity_id, h.name, h.provider, h.tenant_id, h.relation, h.action, h.is_live, h.level, h.evidence,
    coalesce(case when f.owner_status is distinct from 'left' then f.owner_mail end, r.owner_mail) as owner,
    case when h.thing_kind in ('identity', 'app') then o.names when h.thing_kind = 'secret' then u.names end as others
from held h
left join identity_facts f on f.identity_key = h.identity_key and h.thing_kind <> 'secret'
left join resource_facts r on r.resource_id = h.thing_id
left join others o on o.identity_key = h.identity_key
left join users u on u.thing_id = h.thing_id
left join credentials c on h.thing_kind = 'credential' and c.credential_id = h.thing_id
where not (
    h.thing_kind in ('membership', 'grant')
    and h.action = 'revoke_access'
    and h.identity_id in (select thing_id from held where thing_kind in ('identity', 'app'))
)
order by
    -- a door is shut before what came in by it is thrown out, or it comes in again
    case
        when h.action = 'revoke_access' and h.thing_kind = 'identity' then 1
        when h.action = 'revoke_access' and (c.kind like '%token%' or c.kind like '%session%') then 2
        when h.action = 'revoke_access' then 3
        when h.action = 'remove_delegation' then 4
        when h.action = 'rotate_shared_secret' then 5
        else 6
    end,
    h.level desc nulls last, h.provider, h.thing_kind, h.thing_id
