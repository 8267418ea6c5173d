-- One row a partner, stage and person; whoever answers for a stage of the whole programme answers for it with each partner
delete from stage_owners;

insert into stage_owners by name
with said as (
    select p.partner_id, o.role, o.mail, false as is_of_programme
    from ownerships o
    join partner_rows p on p.partner_id = o.owned
    where o.owned_kind = 'partner'
    union
    select p.partner_id, o.role, o.mail, false
    from ownerships o
    join partner_rows p on p.name = o.owned
    where o.owned_kind = 'partner'
    union
    select p.partner_id, o.role, o.mail, true
    from ownerships o
    cross join partner_rows p
    where o.owned_kind = 'programme'
)
select d.partner_id,
    substr(d.role, 7) as stage,
    a.mail,
    a.person_status,
    bool_and(d.is_of_programme) as is_of_programme
from said d
join owner_answers a on a.text = d.mail
where starts_with(d.role, 'stage:')
group by all
order by d.partner_id, stage, a.mail
