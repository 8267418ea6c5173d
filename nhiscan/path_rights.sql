-- what makes an identity an administrator
select p.certainty, p.statement, p.considered, case when g.kind not in ('group', 'entity') then null else g.name end as group_name,
       case when g.kind not in ('group', 'entity') then g.name end as user_name,
       l.policy_id, l.provider, l.kind, l.name, l.native_id
from privileges p
join identities i
  on i.identity_key = p.identity_key
left join policies l
  on l.policy_key = p.policy_key
left join identities g
  on g.identity_key = p.via_key
where i.identity_id = $id
  and p.verb = 'admin'
order by case p.certainty when 'definite' then 0 when 'conditional' then 1 else 2 end, l.policy_id, g.name, p.statement,
         p.considered
