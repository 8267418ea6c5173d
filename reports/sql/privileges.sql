select p.identity_key, p.verb, p.scope, p.certainty,
       coalesce(p.level, case when p.certainty = 'definite' then n.level end) as level,
       p.statement, p.considered, l.name as policy_name, u.is_used, u.last_used_at, u.known_from,
       u.identity_key is not null as is_use_judged
from privileges p
left join narrow_levels n on n.identity_key = p.identity_key and n.verb = p.verb
left join policies l on l.policy_key = p.policy_key
left join unused_privileges u on u.identity_key = p.identity_key and u.verb = p.verb
where p.identity_key in (select unnest($keys::bigint[]))
order by p.identity_key, 5 desc nulls last,
         case p.certainty when 'definite' then 0 when 'conditional' then 1 else 2 end,
         p.verb, p.scope, l.name, p.statement
