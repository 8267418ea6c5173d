-- What changed is told by the target of an event: an identity, one of its credentials, or a native id of its tenant. A request answers
-- for the identity that it names, a review for everything that its partner had then.
delete from change_facts;

create or replace temp table approved as
select request_id, partner_id, lower(trim(identity)) as identity,
    coalesce(approved_at, case when approved_by is not null then requested_at end) as approved_at
from requests
where coalesce(approved_at, case when approved_by is not null then requested_at end) is not null
    and coalesce(lower(trim(outcome)), '') not in ('rejected', 'denied', 'declined', 'refused', 'withdrawn', 'cancelled', 'canceled');

insert into change_facts by name
with changed as (
    select *
    from usage
    where kind in ('role_change', 'grant_change', 'credential_change', 'consent')
        and outcome = 'success'
        and target is not null
),
hits as (
    select u.event_id, f.identity_key
    from changed u
    join identity_facts f on f.identity_id = u.target
    union
    select u.event_id, f.identity_key
    from changed u
    join identity_facts f on f.tenant_id = u.tenant_id and f.native_id = u.target
    union
    select u.event_id, c.identity_key
    from changed u
    join credentials c on c.credential_id = u.target
),
changes as (
    select distinct u.event_id, f.identity_key, f.identity_id, f.name, f.native_id, f.tenant_id, f.partner_id, u.occurred_at, u.kind,
        u.action, u.identity_id as actor_id
    from hits h
    join changed u using (event_id)
    join identity_facts f using (identity_key)
    where f.partner_id is not null
        and not f.is_provider_owned
),
called as (
    select event_id, identity_key, occurred_at, partner_id, lower(identity_id) as name
    from changes
    union
    select event_id, identity_key, occurred_at, partner_id, lower(native_id)
    from changes
    union
    select event_id, identity_key, occurred_at, partner_id, lower(name)
    from changes
),
asked as (
    select c.event_id, c.identity_key, r.request_id,
        cast(ceil(abs(epoch(r.approved_at) - epoch(c.occurred_at)) / 86400) as bigint) as days
    from called c
    join approved r on r.identity = c.name and coalesce(r.partner_id = c.partner_id, true)
    qualify row_number() over (partition by c.event_id, c.identity_key order by days, r.request_id) = 1
),
asked_loosely as (
    select c.event_id, c.identity_key, r.request_id,
        cast(ceil(abs(epoch(r.approved_at) - epoch(c.occurred_at)) / 86400) as bigint) as days
    from changes c
    join approved r on r.partner_id = c.partner_id
    where coalesce(r.identity, '') = ''
    qualify row_number() over (partition by c.event_id, c.identity_key order by days, r.request_id) = 1
),
reviewed as (
    select c.event_id, c.identity_key, r.review_id,
        cast(ceil((epoch(r.completed_at) - epoch(c.occurred_at)) / 86400) as bigint) as days
    from changes c
    join reviews r on r.partner_id = c.partner_id and r.completed_at >= c.occurred_at
    where coalesce(lower(r.scope), 'access') = 'access'
    qualify row_number() over (partition by c.event_id, c.identity_key order by r.completed_at, r.review_id) = 1
)
select c.event_id, c.identity_key, c.identity_id, c.tenant_id, c.partner_id, c.occurred_at, c.kind, c.action, c.actor_id,
    a.request_id, a.days as request_days, l.request_id as loose_request_id, l.days as loose_request_days,
    v.review_id, v.days as review_days
from changes c
left join asked a on a.event_id = c.event_id and a.identity_key = c.identity_key
left join asked_loosely l on l.event_id = c.event_id and l.identity_key = c.identity_key
left join reviewed v on v.event_id = c.event_id and v.identity_key = c.identity_key
order by c.event_id, c.identity_key
