-- who has this address today, else who had it before
select mail, side, status, left_on, can_approve, partner_id
from (
    select
        lower(p.mail) as mail,
        coalesce(p.side, case when p.partner_id <> '' then 'partner' end) as side,
        p.status,
        p.left_on,
        p.can_approve,
        p.partner_id,
        1 as place
    from people p
    where lower(trim(p.mail)) = $mail
    union all
    select
        lower(p.mail),
        coalesce(p.side, case when p.partner_id <> '' then 'partner' end),
        p.status,
        p.left_on,
        p.can_approve,
        p.partner_id,
        2
    from person_mails o
    join people p on p.mail = o.mail
    where lower(trim(o.old_mail)) = $mail
)
order by place, mail
limit 1
