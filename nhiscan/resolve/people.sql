-- One row an address that somebody has or had. A present address beats a former one; of several rows about one address a person
-- has left only when every row says so.
create or replace temp table persons as
with present as (
    select lower(trim(p.mail)) as mail,
        min(p.name) as name,
        min(coalesce(p.side, case when p.partner_id <> '' then 'partner' end)) as side,
        bool_and(
            coalesce(lower(p.status) in ('left', 'leaver', 'inactive', 'departed'), false)
            or coalesce(p.left_on <= s.as_of::date, false)
        ) as has_left,
        max(p.left_on) as left_on,
        min(p.register_row) as register_row
    from people p
    cross join scans s
    where trim(p.mail) <> ''
    group by lower(trim(p.mail))
),
former as (
    select lower(trim(o.old_mail)) as address, min(lower(trim(o.mail))) as mail
    from person_mails o
    where lower(trim(o.old_mail)) not in (select mail from present)
    group by lower(trim(o.old_mail))
    having count(distinct lower(trim(o.mail))) = 1
)
select mail as address, *
from present
union all
select f.address, p.*
from former f
join present p using (mail)
