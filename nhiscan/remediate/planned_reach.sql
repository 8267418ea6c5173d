-- What an identity can do, the strongest first, as `nhiscan show` tells it.
select 1 as rank, 'administrator' || coalesce(': ' || admin_evidence, '') as says
from identity_facts
where identity_key = $identity
    and is_admin
union all
select 2, 'an administrator in ' || admin_hops || case when admin_hops = 1 then ' step' else ' steps' end
    || coalesce(', the next by ' || admin_next_id, '')
from identity_facts
where identity_key = $identity
    and not coalesce(is_admin, false)
    and admin_hops > 0
union all
select 3, case when level is null then 'what it can do is not known' else 'level ' || level || ' of 5' end
    || case when level is not null and level_high is distinct from level then ', more cannot be ruled out' else '' end
from identity_facts
where identity_key = $identity
union all
select 4, 'reaches ' || case goal
        when 'sensitive' then 'somebody who reads secrets or exports data'
        when 'human' then 'a person''s account'
        else goal
    end || case when hops = 0 then ' by itself' else ' in ' || hops || case when hops = 1 then ' step' else ' steps' end end
    || case when certainty <> 'definite' then ', if a condition holds' else '' end
from reach
where identity_key = $identity
    and goal <> 'admin'
union all
select 5, says
from (
    select p.verb || coalesce(' of ' || p.scope, '') || case when p.certainty <> 'definite' then ' (' || p.certainty || ')' else '' end as says,
        max(coalesce(p.level, 0)) as level
    from privileges p
    where p.identity_key = $identity
    group by all
    order by level desc, says
    limit 10
)
order by all
