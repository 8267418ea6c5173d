-- Limits of sessions that apply to people of partners or from outside. The stricter idle limit holds where one of them is strong;
-- for whom a limit of the whole tenant holds, the narrower ones of its parts do not.
with limits as (
    select
        s.*,
        case when s.name = 'session.idle_minutes' then $idle_max_minutes else $max_hours end as allowed,
        case when s.name = 'session.idle_minutes' then $privileged_idle_max_minutes else $max_hours end as strictly_allowed
    from setting_facts s
    where s.name in ('session.idle_minutes', 'session.max_hours')
        and coalesce(s.affected, 1) > 0
),
people as (
    select
        f.identity_key,
        f.identity_id,
        f.tenant_id,
        f.level,
        f.level_high
    from identity_facts f
    where f.is_enabled
        and not coalesce(f.is_nhi, false)
        and (f.is_external or f.partner_id is not null)
),
concerned as (
    select
        l.setting_id,
        p.level,
        p.level_high
    from limits l
    join role_facts r on r.role_id = l.applies_to
    join memberships m on m.group_key = r.role_key
    join people p on p.identity_key = m.identity_key
    union all
    select
        l.setting_id,
        p.level,
        p.level_high
    from limits l
    join people p on p.tenant_id = l.tenant_id
    where l.applies_to is null
        and not exists (
            select 1
            from setting_facts n
            join role_facts r on r.role_id = n.applies_to
            join memberships m on m.group_key = r.role_key
            where n.tenant_id = l.tenant_id
                and n.name = l.name
                and m.identity_key = p.identity_key
        )
),
strongest as (
    select
        c.setting_id,
        max(c.level) as level,
        max(case when c.level_high < $privileged_level then 0 else 1 end) as may_be_strong
    from concerned c
    group by c.setting_id
)
select
    l.setting_id as subject_id,
    l.tenant_id,
    case
        when l.number <= 0 or l.number > l.allowed then 'fail'
        when l.number <= l.strictly_allowed then 'pass'
        when l.number is null then 'unknown'
        when t.level >= $privileged_level then 'fail'
        when t.may_be_strong = 0 then 'pass'
        else 'unknown'
    end as outcome,
    l.name as setting,
    coalesce(r.name, l.applies_to, 'the whole tenant') as part,
    case
        when l.number <= 0 then 'without limit'
        else cast(l.number as varchar) || case when l.name = 'session.idle_minutes' then ' minutes' else ' hours' end
    end as lasts,
    case when t.level >= $privileged_level then l.strictly_allowed else l.allowed end as at_most,
    coalesce(cast(l.affected as varchar), 'an unknown number of') as affected,
    l.partner_names as affected_partners,
    t.level as highest_level_among_them
from limits l
left join strongest t on t.setting_id = l.setting_id
left join role_facts r on r.role_id = l.applies_to
