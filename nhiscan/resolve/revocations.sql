-- What was taken away, as the provider logged it, and what was done with it later than its clocks may differ. The newest
-- revocation counts. Taking only open sessions away lets new ones begin.
delete from revocations;

insert into revocations by name
with revoked as (
    select target, max(occurred_at) as revoked_at, arg_max(action, (occurred_at, event_id)) as action,
        arg_max(identity_id, (occurred_at, event_id)) as revoked_by
    from usage
    where kind = 'revocation'
        and outcome = 'success'
        and target is not null
        and action <> 'PutRolePolicy'
        -- a user takes leave to sign in as him back from others, and keeps his own access
        and action not ilike 'loginas%'
    group by target
),
taken as (
    select i.identity_key, i.identity_id as target, r.revoked_at, r.action, r.revoked_by, i.last_used_at, true as is_identity
    from revoked r
    join identities i on i.identity_id = r.target
    union all
    select c.identity_key, c.credential_id, r.revoked_at, r.action, r.revoked_by, c.last_used_at, false
    from revoked r
    join credentials c on c.credential_id = r.target
),
used as (
    select u.credential_id as target, u.occurred_at as used_at
    from usage u
    join taken t on t.target = u.credential_id
    where u.outcome = 'success'
    union
    select u.identity_id, u.occurred_at
    from usage u
    join taken t on t.target = u.identity_id
    where u.outcome = 'success'
    union
    select target, last_used_at
    from taken
    where last_used_at is not null
),
first_used as (
    select t.target, min(u.used_at) as used_at
    from taken t
    join used u on u.target = t.target and u.used_at > t.revoked_at + interval 15 minute
    group by t.target
),
given_back as (
    select t.target, min(u.occurred_at) as given_back_at
    from taken t
    join usage u on u.target = t.target and u.occurred_at > t.revoked_at
    where u.outcome = 'success'
        and case
            when t.is_identity
                then u.action ilike 'Create%' or lower(u.action) in ('activateduser', 'unfrozeuser', 'add_user', 'reactivate_user')
            else u.kind = 'credential_change'
        end
    group by t.target
)
select t.identity_key, t.target as revoked_id, t.revoked_at, t.action as revoked_with, t.revoked_by, f.used_at, g.given_back_at
from taken t
left join first_used f using (target)
left join given_back g using (target)
-- one row an identity: used without having been given back, then used, then the newest
qualify row_number() over (
    partition by t.identity_key
    order by f.used_at is null, coalesce(g.given_back_at <= f.used_at, false), t.revoked_at desc, t.target
) = 1
