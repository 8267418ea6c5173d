-- What the inventory lists of the things asked for: under which state, and of which identity.
with wanted as (
    select unnest($kinds::varchar[]) as thing_kind, unnest($ids::varchar[]) as thing_id
)
select w.thing_kind, w.thing_id, i.identity_id as holder_id, i.status as listed_as
from wanted w
join identities i on i.identity_id = w.thing_id
where w.thing_kind in ('identity', 'app')
union all
select w.thing_kind, w.thing_id, i.identity_id, c.status
from wanted w
join credentials c on c.credential_id = w.thing_id
left join identities i on i.identity_key = c.identity_key
where w.thing_kind = 'credential'
union all
select w.thing_kind, w.thing_id, i.identity_id, 'trusted'
from wanted w
join trusts t on t.trust_id = w.thing_id
left join identities i on i.identity_key = t.identity_key
where w.thing_kind = 'trust'
union all
select w.thing_kind, w.thing_id, i.identity_id, 'granted'
from wanted w
join grants g on g.grant_id = w.thing_id
left join identities i on i.identity_key = g.identity_key
where w.thing_kind = 'grant'
union all
select w.thing_kind, w.thing_id, i.identity_id, 'member'
from wanted w
join identities i on i.identity_id = split_part(w.thing_id, ' in ', 1)
join identities g on g.identity_id = split_part(w.thing_id, ' in ', 2)
join memberships m on m.identity_key = i.identity_key and m.group_key = g.identity_key
where w.thing_kind = 'membership'
union all
select w.thing_kind, w.thing_id, null, 'stored'
from wanted w
join resources r on r.resource_id = w.thing_id
where w.thing_kind = 'secret'
order by all
