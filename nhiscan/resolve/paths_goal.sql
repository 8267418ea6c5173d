-- reached: who is at the goal by itself
create or replace temp table reached as
with there as (
    select p.identity_key, 'admin' as goal
    from privileges p
    where p.verb = 'admin'
      and (p.certainty = 'definite' or $certainty = 'potential')
    union all
    -- what was not read may be an administrator's
    select p.identity_key, 'admin' as goal
    from privileges p
    where p.verb = 'unknown'
      and p.statement is null
      and $certainty = 'potential'
    union all
    select p.identity_key, 'sensitive' as goal
    from privileges p
    where p.verb in ('admin', 'read-secret', 'export-data')
      and p.scope in ('all', 'environment')
      and (p.certainty = 'definite' or $certainty = 'potential')
    union all
    select i.identity_key, 'human' as goal
    from identities i
    where not i.is_nhi
      and i.kind <> 'group'
)
select distinct t.identity_key as node, cast(0 as bigint) as hops, cast(null as bigint) as next_key
from there t
where t.goal = $goal;
