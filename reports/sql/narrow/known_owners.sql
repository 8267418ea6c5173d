select min(mail)
from (
    select mail from identity_owners where verdict = 'asserted'
    union
    select business_owner from partners
    union
    select backup_owner from partners
    union
    select technical_owner from partners
    union
    select mail from people where side = 'ours'
) known (mail)
where mail is not null
group by lower(mail)
order by 1
