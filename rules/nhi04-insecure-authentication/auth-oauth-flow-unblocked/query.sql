-- Switches of a tenant over flows that are given up. A person's password at a browser is no use of the password flow.
with switches as (
    select
        s.setting_id,
        s.tenant_id,
        lower(s.value) as is_blocked,
        case when s.name = 'oauth.password_flow_blocked' then 'password' else 'implicit' end as flow
    from setting_facts s
    where s.name in ('oauth.password_flow_blocked', 'oauth.user_agent_flow_blocked')
),
used as (
    select
        i.tenant_id,
        i.flow,
        count(*) as uses,
        count(distinct i.identity_key) as users,
        count(distinct i.app) as apps,
        min(i.app) as one_app,
        max(i.occurred_at) as last_at
    from sign_ins i
    where i.is_success
        and (i.flow = 'implicit' or (i.flow = 'password' and not i.is_interactive))
        and i.occurred_at >= $window_days_before
    group by i.tenant_id, i.flow
)
select
    s.setting_id as subject_id,
    s.tenant_id,
    case s.is_blocked when 'no' then 'fail' when 'yes' then 'pass' else 'unknown' end as outcome,
    case when u.uses > 0 then 'high' else 'medium' end as severity,
    coalesce(t.name, s.tenant_id) as tenant,
    case s.flow when 'password' then 'the username-password flow' else 'the user-agent flow' end as flow,
    coalesce(u.uses, 0) as uses,
    $window_days as days,
    u.users,
    u.apps,
    u.one_app,
    u.last_at as last_use
from switches s
left join used u on u.tenant_id = s.tenant_id and u.flow = s.flow
left join tenants t on t.tenant_id = s.tenant_id
