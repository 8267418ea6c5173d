-- One row a part of a tenant that says anything about single sign-on and holds people of partners or from outside. Sign-ins with a
-- password that were seen refute what a setting says. A part with a value of its own is not judged by the tenant's.
with said as (
    select
        s.tenant_id,
        coalesce(s.applies_to, '') as part,
        coalesce(min(case when s.name = 'sso.required' then s.setting_id end), min(s.setting_id)) as setting_id,
        coalesce(max(case when s.name = 'sso.required' then s.affected end), max(s.affected)) as affected,
        coalesce(max(case when s.name = 'sso.required' then s.partner_names end), max(s.partner_names)) as partner_names,
        max(case when s.name = 'sso.required' then lower(s.value) end) as required,
        max(case when s.name = 'sso.local_login_allowed' then lower(s.value) end) as local_login
    from setting_facts s
    where s.name in ('sso.required', 'sso.local_login_allowed')
    group by s.tenant_id, coalesce(s.applies_to, '')
),
people as (
    select
        f.identity_key,
        f.tenant_id,
        f.partner_risk,
        case when f.name in $exempt or f.native_id in $exempt or f.identity_id in $exempt then 1 else 0 end as is_exempt
    from identity_facts f
    where f.is_enabled
        and not coalesce(f.is_nhi, false)
        and (f.is_external or f.partner_id is not null)
),
-- a set may be held through a group of sets
held as (
    select
        m.identity_key,
        m.group_key
    from memberships m
    union
    select
        m.identity_key,
        n.group_key
    from memberships m
    join memberships n on n.identity_key = m.group_key
),
placed as (
    select distinct
        p.identity_key,
        p.tenant_id,
        p.partner_risk,
        p.is_exempt,
        s.part
    from people p
    join held h on h.identity_key = p.identity_key
    join role_facts r on r.role_key = h.group_key
    join said s on s.tenant_id = p.tenant_id and s.part = r.role_id
),
concerned as (
    select
        identity_key,
        tenant_id,
        partner_risk,
        is_exempt,
        part
    from placed
    union all
    select
        p.identity_key,
        p.tenant_id,
        p.partner_risk,
        p.is_exempt,
        ''
    from people p
    where p.identity_key not in (select identity_key from placed)
),
signed_in as (
    select
        i.identity_key,
        count(*) as sign_ins,
        max(i.occurred_at) as last_at
    from sign_ins i
    where i.is_success
        and i.flow in ('password', 'soap', 'basic')
        and i.occurred_at >= $window_days_before
    group by i.identity_key
),
seen as (
    select
        c.tenant_id,
        c.part,
        max(c.partner_risk) as risk,
        sum(case when n.identity_key is not null and c.is_exempt = 0 then 1 else 0 end) as with_password,
        max(case when c.is_exempt = 0 then n.last_at end) as last_at,
        sum(c.is_exempt) as exempt
    from concerned c
    left join signed_in n on n.identity_key = c.identity_key
    group by c.tenant_id, c.part
)
select
    s.setting_id as subject_id,
    s.tenant_id,
    case
        when s.required = 'no' or s.local_login = 'yes' or e.with_password > 0 then 'fail'
        when s.required = 'yes' or s.local_login = 'no' then 'pass'
        else 'unknown'
    end as outcome,
    case when e.risk >= $high_risk then 'high' else 'medium' end as severity,
    case
        when s.local_login = 'yes' then 'a password of its own opens an account beside single sign-on'
        when s.required = 'no' then 'single sign-on is not required'
        else 'people sign in with a password although single sign-on is required'
    end as problem,
    coalesce(r.name, case when s.part = '' then 'the whole tenant' else s.part end) as part,
    coalesce(cast(s.affected as varchar), 'an unknown number of') as affected,
    s.partner_names as affected_partners,
    e.with_password as people_who_signed_in_with_a_password,
    e.last_at as last_such_sign_in,
    e.exempt as exempt_people
from said s
left join seen e on e.tenant_id = s.tenant_id and e.part = s.part
left join role_facts r on r.role_id = s.part
where coalesce(s.affected, 1) > 0
