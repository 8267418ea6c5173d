select o.identity_key, o.mail, o.role, o.source, o.evidence, o.confidence, o.verdict, o.person_status, o.left_on,
       o.register_row
from identity_owners o
where o.identity_key in (select unnest($keys::bigint[]))
order by o.identity_key,
         case o.verdict when 'asserted' then 0 when 'lost' then 1 else 2 end,
         o.confidence desc, o.mail, o.role, o.source, o.evidence
