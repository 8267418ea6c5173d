-- Other values of the same policy; a forced periodic change makes people choose weaker passwords.
select
    s.setting_id as subject_id,
    case when o.name = 'password.expires_days' and o.number > 0 then 'for information' else 'beside it' end as label,
    case
        when o.name = 'password.expires_days' and o.number > 0
            then 'a change is forced every ' || cast(o.number as varchar) || ' days'
        else o.name || ' is ' || coalesce(cast(o.number as varchar), o.value)
    end as value
from setting_facts s
join setting_facts o
    on o.tenant_id = s.tenant_id
    and coalesce(o.applies_to, '') = coalesce(s.applies_to, '')
    and o.setting_id <> s.setting_id
where s.name in ('password.min_length', 'password.lockout_attempts', 'password.breached_check')
    and o.name like 'password.%'
