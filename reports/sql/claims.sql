-- who stands behind these identities, the strongest first and every losing candidate after it
select p.identity_key, p.partner_id, coalesce(r.name, p.partner_id) as partner_name, p.role, p.source, p.evidence,
       p.confidence, p.verdict, p.register_row
from identity_partners p
left join (select partner_id, min(name) as name from partners group by partner_id) r on r.partner_id = p.partner_id
where p.identity_key in (select unnest($keys::bigint[]))
order by p.identity_key,
         case p.verdict when 'asserted' then 0 when 'conflict' then 1 when 'lost' then 2 else 3 end,
         p.confidence desc, p.partner_id, p.role, p.source, p.evidence
