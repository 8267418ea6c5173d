-- Whom each text that names an owner means today, and whether that is one of us
create or replace temp table owner_answers as
select t.text,
    coalesce(p.mail, a.address, lower(trim(t.text))) as mail,
    coalesce(p.side = 'ours', false)
        or (
            coalesce(p.side, 'ours') = 'ours'
            and exists (
                select 1
                from company c
                where c.kind = 'mail_domain'
                    and ends_with('.' || split_part(a.address, '@', -1), '.' || lower(c.value))
            )
        ) as is_ours,
    case when p.mail is null then 'unknown' when p.has_left then 'left' else 'active' end as person_status,
    case when p.has_left then p.left_on end as left_on,
    case when a.is_by_name then ' is the name of ' || p.mail else '' end
        || case when p.address <> p.mail then ' (now ' || p.mail || ')' else '' end
        || case
            when regexp_matches(
                lower(coalesce(p.name, '') || ' ' || split_part(coalesce(p.mail, a.address, t.text), '@', 1)),
                '(^|[^a-z])(team|group|squad|desk|department|abteilung|ops)([^a-z]|$)'
            ) then ' (a team, not a person)'
            when p.mail is null then ' (not in the list of people)'
            when p.side = 'partner' then ' (a person of a partner)'
            else ''
        end as words
from owner_texts t
left join owner_addresses a using (text)
left join persons p on p.address = a.address
