-- Credentials that work now, and which app may act as whom with them. A removed app's tokens still act, a blocked one's do not.
-- Who was invited has nothing but the invitation, which whoever reads it may accept.
create or replace temp view live as
select c.*,
    lower(c.status) = 'active'
    and (i.status = 'enabled' or (i.status = 'invited' and c.kind = 'invitation'))
    and coalesce(a.status = 'enabled' or a.is_installed is false, true)
    and (c.expires_at is null or c.expires_at > s.as_of) as is_live
from credentials c
join identities i using (identity_key)
left join identities a on a.identity_key = c.app_key
cross join scans s;

-- what the scopes of an app surely let it do of its users' rights, and what they may: 3 all, 2 data, 1 self, 0 none
create or replace temp table app_reach as
with said as (
    select
        identity_key,
        max(case gives when 'all' then 3 when 'data' then 2 when 'self' then 1 when 'none' then 0 end) as sure,
        bool_or(gives is null) as is_open
    from app_scopes
    group by identity_key
),
read as (
    select tenant_id
    from coverage
    where dataset = 'apps.scopes'
    group by tenant_id
    having bool_and(coalesce(original_status, status) in ('complete', 'not_applicable'))
)
select
    i.identity_key as app_key,
    s.sure,
    case when s.identity_key is null or s.is_open or r.tenant_id is null then 3 else s.sure end as most
from identities i
left join said s on s.identity_key = i.identity_key
left join read r on r.tenant_id = i.tenant_id
where i.kind = 'oauth_app';

create or replace temp table held_tokens as
select
    c.app_key,
    c.identity_key as user_key,
    count(*) as tokens,
    min(c.created_at) as oldest_at,
    any_value(r.sure) as sure,
    any_value(coalesce(r.most, 3)) as most
from live c
left join app_reach r on r.app_key = c.app_key
where c.is_live
    and c.app_key <> c.identity_key
group by c.app_key, c.identity_key
