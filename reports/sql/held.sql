-- what each partner holds: its asserted identities
select distinct p.partner_id, p.identity_key
from identity_partners p
join identity_facts i on i.identity_key = p.identity_key
where p.verdict = 'asserted'
order by p.partner_id, p.identity_key
