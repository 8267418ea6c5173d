-- What was done since, the first ten events.
with since as (
    select
        f.identity_id,
        u.occurred_at,
        u.action,
        u.source_ip,
        u.user_agent,
        row_number() over (partition by f.identity_id order by u.occurred_at, u.event_id) as place
    from revocations v
    join identity_facts f on f.identity_key = v.identity_key
    join usage u on (u.identity_id = v.revoked_id or u.credential_id = v.revoked_id) and u.occurred_at >= v.used_at
    where u.outcome = 'success'
)
select
    s.identity_id as subject_id,
    'at ' || cast(s.occurred_at as varchar) as label,
    s.action || coalesce(', address ' || s.source_ip, '') || coalesce(', ' || s.user_agent, '') as value
from since s
where s.place <= 10
