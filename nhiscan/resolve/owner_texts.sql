-- Every distinct text that names an owner, and the address inside it
create or replace temp table owner_texts as
select text, nullif(rtrim(regexp_extract(lower(text), '[^\s<>,;:"()]+@[^\s<>,;:"()@]+'), '.'), '') as address
from (
    select owner as text
    from decisions
    union
    select mail
    from ownerships
    union
    select business_owner
    from partners
    union
    select owner_mail
    from partner_accounts
    union
    select unnest([approved_by, requested_by])
    from acceptances
    union
    select unnest([approved_by, requested_by])
    from requests
    union
    select value
    from tags
    where name in (select name from owner_tags)
    union
    select value
    from resource_tags
    where name in (select name from owner_tags)
)
where trim(text) <> ''
