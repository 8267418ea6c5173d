-- every word by which somebody else could be recognised
with others as (
    select partner_id from partners where partner_id not in (select partner_id from scope_partners)
    union
    select partner_id from identity_partners where partner_id not in (select partner_id from scope_partners)
),
theirs as (
    select i.identity_key, i.identity_id, i.native_id, i.name, i.mail
    from identities i
    where i.identity_key not in (select identity_key from scope_identities)
      and (
          i.identity_key in (select identity_key from identity_partners)
          or i.identity_key in (select identity_key from identity_owners)
      )
),
in_scope as (
    select mail from identity_owners where identity_key in (select identity_key from scope_identities) and verdict = 'asserted'
    union
    select business_owner from partners where partner_id in (select partner_id from scope_partners)
    union
    select backup_owner from partners where partner_id in (select partner_id from scope_partners)
    union
    select technical_owner from partners where partner_id in (select partner_id from scope_partners)
    union
    select mail from stage_owners where partner_id in (select partner_id from scope_partners where is_whole)
    union
    select mail from people where partner_id in (select partner_id from scope_partners where is_whole)
),
-- repositories, folders and spaces of others, in which a secret of those in scope may stand
places as (
    select r.resource_key, r.resource_id, r.name
    from resource_facts r
    where r.provider = 'files' and r.partner_id in (select partner_id from others)
),
seen_there as (
    select s.location, s.path, s.author, s.commit
    from sightings s
    join places p using (resource_key)
),
mails as (
    select mail, partner_id from people
    union
    select m.old_mail, p.partner_id from person_mails m join people p on p.mail = m.mail
    union
    select business_owner, partner_id from partners
    union
    select backup_owner, partner_id from partners
    union
    select technical_owner, partner_id from partners
    union
    select mail, null from identity_owners
    union
    select mail, null from ownerships
)
select distinct term
from (
    select partner_id from others
    union all
    select name from partners where partner_id in (select partner_id from others)
    union all
    select legal_name from partners where partner_id in (select partner_id from others)
    union all
    select source_id from partners where partner_id in (select partner_id from others)
    union all
    select value from aliases where partner_id in (select partner_id from others)
    union all
    select register_row from partners where partner_id in (select partner_id from others)
    union all
    select register_row from contracts where partner_id in (select partner_id from others)
    union all
    select register_row from aliases where partner_id in (select partner_id from others)
    union all
    select contract_id from contracts where partner_id not in (select partner_id from scope_partners where is_whole)
    union all
    select name from people where partner_id in (select partner_id from others)
    union all
    select identity_id from theirs
    union all
    select native_id from theirs
    union all
    select name from theirs
    union all
    select mail from theirs
    union all
    select c.credential_id from credentials c join theirs t on t.identity_key = c.identity_key
    union all
    select c.native_id from credentials c join theirs t on t.identity_key = c.identity_key
    union all
    select resource_id from places
    union all
    select name from places
    union all
    select location from seen_there
    union all
    select path from seen_there
    union all
    select author from seen_there
    union all
    select commit from seen_there
    union all
    select mail
    from mails
    where (exists (select 1 from scope_mails) or mail not in (select mail from in_scope where mail is not null))
      and lower(mail) not in (select lower(mail) from scope_mails)
) terms (term)
where term is not null
order by term
