-- who answers for the partner: its business owner, else whoever answers for offboardings
select mail, is_what
from (
    select business_owner as mail, 'business owner of the partner' as is_what, 0 as rank
    from partner_facts
    where partner_id = $partner
        and business_owner_status is distinct from 'left'
    union all
    select mail, 'owner of the offboarding stage', case when is_of_programme then 2 else 1 end
    from stage_owners
    where partner_id = $partner
        and stage = 'offboarding'
        and person_status is distinct from 'left'
)
where mail is not null
order by rank, mail
limit 1
