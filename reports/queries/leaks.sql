select
    l.leak_id,
    l.resource_name as place,
    l.audience,
    l.where_kind,
    l.kind,
    l.first_place,
    l.first_seen_at,
    l.is_current,
    l.link,
    l.link_evidence,
    l.identity_name as identity,
    l.is_live,
    l.level,
    l.last_used_at,
    l.partner_name,
    l.owner_mail
from leak_facts l
where $link in ('', l.link)
order by
    l.is_live desc nulls last,
    l.level desc nulls last,
    l.is_current desc nulls last,
    l.first_seen_at nulls last,
    l.leak_id
