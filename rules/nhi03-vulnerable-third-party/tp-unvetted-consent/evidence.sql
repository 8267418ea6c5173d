-- Who let it in, the newest ten, and for whom it holds the oldest ten tokens.
with consents as (
    select
        f.identity_id,
        coalesce(b.name, u.identity_id, 'somebody') as who,
        u.occurred_at,
        u.action,
        row_number() over (partition by f.identity_id order by u.occurred_at desc, u.event_id) as place
    from usage u
    join identity_facts f
        on f.tenant_id = u.tenant_id
        and (u.target = f.identity_id or u.target = f.native_id or u.app = f.name)
    left join identity_facts b on b.identity_id = u.identity_id
    where u.kind = 'consent'
        and u.outcome = 'success'
        and f.kind = 'oauth_app'
),
holders as (
    select
        c.app_id,
        c.identity_name,
        min(c.created_at) as since,
        max(c.last_used_at) as last_at,
        row_number() over (partition by c.app_id order by min(c.created_at), c.identity_name) as place
    from credential_facts c
    where c.is_live
        and c.app_id is not null
    group by c.app_id, c.identity_key, c.identity_name
)
select
    c.identity_id as subject_id,
    'let in by ' || c.who as label,
    cast(c.occurred_at as varchar) || ' (' || c.action || ')' as value
from consents c
where c.place <= 10
union all
select
    h.app_id,
    'acts as ' || h.identity_name,
    coalesce('since ' || cast(h.since as varchar), 'since when is not known')
    || coalesce(', last at ' || cast(h.last_at as varchar), '')
from holders h
where h.place <= 10
