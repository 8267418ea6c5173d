-- words of our own that stay readable although somebody else's name is part of them
select distinct term
from (
    select who from scope_who
    union all
    select mail from scope_mails
    union all
    select partner_id from scope_partners
    union all
    select name from partners where partner_id in (select partner_id from scope_partners)
    union all
    select legal_name from partners where partner_id in (select partner_id from scope_partners)
    union all
    select value from aliases where partner_id in (select partner_id from scope_partners where is_whole)
    union all
    select contract_id from contracts where partner_id in (select partner_id from scope_partners where is_whole)
) terms (term)
where term is not null
order by term
