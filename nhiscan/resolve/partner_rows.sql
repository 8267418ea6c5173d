-- One row a partner, whichever rows of the register speak of it
create or replace temp table partner_rows as
select *
from partners
qualify row_number() over (partition by partner_id order by register_row, name) = 1;

-- whose an identity is, as far as that is asserted
create or replace temp table partners_of as
select distinct a.identity_key, a.partner_id, p.name, p.tier
from identity_partners a
left join partner_rows p using (partner_id)
where a.verdict = 'asserted'
