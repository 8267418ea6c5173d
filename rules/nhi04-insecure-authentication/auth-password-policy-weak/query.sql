-- Values of a password policy that apply to people of partners or from outside. What is set for a part counts before what is set
-- for the whole tenant. A forced periodic change is no strength and is only told beside a finding.
with values_in_force as (
    select
        s.*,
        coalesce(
            max(case when a.name = 'mfa.required' and a.applies_to = s.applies_to then lower(a.value) end),
            max(case when a.name = 'mfa.required' and a.applies_to is null then lower(a.value) end)
        ) as mfa,
        coalesce(
            max(case when a.name = 'sso.required' and a.applies_to = s.applies_to then lower(a.value) end),
            max(case when a.name = 'sso.required' and a.applies_to is null then lower(a.value) end)
        ) as sso,
        coalesce(
            max(case when a.name = 'sso.local_login_allowed' and a.applies_to = s.applies_to then lower(a.value) end),
            max(case when a.name = 'sso.local_login_allowed' and a.applies_to is null then lower(a.value) end)
        ) as local_login
    from setting_facts s
    left join setting_facts a
        on a.tenant_id = s.tenant_id
        and a.name in ('mfa.required', 'sso.required', 'sso.local_login_allowed')
    where s.name in ('password.min_length', 'password.lockout_attempts', 'password.breached_check')
        and coalesce(s.affected, 1) > 0
    group by
        s.setting_id,
        s.provider,
        s.tenant_id,
        s.name,
        s.value,
        s.number,
        s.applies_to,
        s.affected,
        s.partners,
        s.partner_names
),
judged as (
    select
        v.*,
        case
            when v.name = 'password.min_length' and v.number < $min_length_with_mfa then 'fail'
            when v.name = 'password.min_length' and v.number >= $min_length then 'pass'
            when v.name = 'password.min_length' and v.number is not null and v.mfa = 'yes' then 'pass'
            when v.name = 'password.min_length' and v.number is not null and v.mfa = 'no' then 'fail'
            when v.name = 'password.lockout_attempts' and (v.number <= 0 or v.number > $max_attempts) then 'fail'
            when v.name = 'password.lockout_attempts' and v.number is not null then 'pass'
            when v.name = 'password.breached_check' and lower(v.value) = 'no' then 'fail'
            when v.name = 'password.breached_check' and lower(v.value) = 'yes' then 'pass'
            else 'unknown'
        end as outcome
    from values_in_force v
)
select
    j.setting_id as subject_id,
    j.tenant_id,
    j.outcome,
    case when j.sso = 'no' or j.local_login = 'yes' then 'high' else 'medium' end as severity,
    j.name as setting,
    case
        when j.name = 'password.min_length' then 'passwords of ' || cast(j.number as varchar) || ' characters are accepted'
        when j.name = 'password.breached_check' then 'passwords that leaked elsewhere are accepted'
        when j.number <= 0 then 'wrong passwords may be tried without end'
        else cast(j.number as varchar) || ' wrong passwords may be tried in a row'
    end as problem,
    coalesce(r.name, j.applies_to, 'the whole tenant') as part,
    coalesce(cast(j.affected as varchar), 'an unknown number of') as affected,
    j.partner_names as affected_partners,
    j.mfa as second_factor_required,
    j.sso as single_sign_on_required,
    j.local_login as sign_in_without_it_allowed
from judged j
left join role_facts r on r.role_id = j.applies_to
