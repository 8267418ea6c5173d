select p.identity_key, p.verb, p.scope, p.certainty, p.level, p.statement, p.considered, l.name as policy_name
from privileges p
left join policies l on l.policy_key = p.policy_key
where p.identity_key in (select unnest($keys::bigint[]))
order by p.identity_key, p.level desc nulls last,
         case p.certainty when 'definite' then 0 when 'conditional' then 1 else 2 end,
         p.verb, p.scope, l.name, p.statement
