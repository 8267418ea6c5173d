-- Who of a part signed in with a password lately, the first ten.
with counted as (
    select
        i.identity_key,
        f.tenant_id,
        f.name,
        f.identity_id,
        f.partner_name,
        count(*) as sign_ins,
        max(i.occurred_at) as last_at
    from sign_ins i
    join identity_facts f on f.identity_key = i.identity_key
    where i.is_success
        and i.flow in ('password', 'soap', 'basic')
        and i.occurred_at >= $window_days_before
        and f.is_enabled
        and not coalesce(f.is_nhi, false)
        and (f.is_external or f.partner_id is not null)
    group by i.identity_key, f.tenant_id, f.name, f.identity_id, f.partner_name
),
placed as (
    select
        s.setting_id,
        c.*,
        row_number() over (partition by s.setting_id order by c.last_at desc, c.identity_id) as place
    from setting_facts s
    join counted c on c.tenant_id = s.tenant_id
    where s.name in ('sso.required', 'sso.local_login_allowed')
        and (
            s.applies_to is null
            or exists (
                select 1
                from memberships m
                join role_facts r on r.role_key = m.group_key
                where r.role_id = s.applies_to
                    and m.identity_key = c.identity_key
            )
        )
)
select
    p.setting_id as subject_id,
    'signed in with a password: ' || p.name as label,
    cast(p.sign_ins as varchar) || ' times, last at ' || cast(p.last_at as varchar)
    || coalesce(', of ' || p.partner_name, '') || ' (' || p.identity_id || ')' as value
from placed p
where p.place <= 10
