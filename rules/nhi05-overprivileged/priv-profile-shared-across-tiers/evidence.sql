-- The partners that it serves, their tiers, and how many identities of each are in it.
with members as (
    select m.group_key as role_key, m.identity_key
    from memberships m
    union
    select u.group_key, m.identity_key
    from memberships u
    join memberships m on m.group_key = u.identity_key
)
select
    r.role_id as subject_id,
    'serves ' || p.name || coalesce(', tier ' || nullif(trim(p.tier), ''), ', no tier') as label,
    case count(distinct f.identity_id)
        when 1 then min(f.identity_id)
        else cast(count(distinct f.identity_id) as varchar) || ' identities, such as ' || min(f.identity_id)
    end as value
from role_facts r
join members m on m.role_key = r.role_key
join identity_facts f on f.identity_key = m.identity_key
join partner_facts p on p.partner_id = f.partner_id
where f.is_enabled
group by r.role_id, p.partner_id, p.name, p.tier
