-- claims, past_keys, addresses -> past_claims, entity_claims: what every alias of the register says, also those that
-- have ended or are shared; and of entities, which attribution leaves to those who log in as them
create or replace temp table past_claims as
select identity_key, partner_id, min(evidence) as evidence
from claims
where source in ('alias', 'tag', 'mail_domain')
group by identity_key, partner_id;

create or replace temp table entity_claims as
select identity_key, partner_id, min(evidence) as evidence
from (
    select t.identity_key, v.partner_id, 'tag ' || t.name || ' = "' || t.value || '" is the partner''s ' || v.what as evidence
    from tags t
    join tag_values v on v.value = t.value
    where t.name in (select name from partner_tags)
    union all
    select a.identity_key, p.partner_id, a.place || ' ' || a.address || ' belongs to a person of the partner'
    from addresses a
    join person_addresses p on p.address = a.address
    where p.side = 'partner'
    union all
    select a.identity_key, k.partner_id, a.place || ' ' || a.address || ' is an address of the partner'
    from addresses a
    join past_keys k on k.kind = 'mail' and k.key = a.address
    union all
    select a.identity_key, k.partner_id, a.place || ' ' || a.address || ' lies in the partner''s domain ' || k.key
    from addresses a
    join past_keys k on k.kind = 'mail_domain' and k.key = split_part(a.address, '@', -1)
    where k.key not in (select domain from shared_domains)
        and not exists (
            select 1
            from company c
            where c.kind = 'mail_domain'
                and (k.key = lower(c.value) or ends_with(k.key, '.' || lower(c.value)))
        )
)
where identity_key in (select identity_key from identities where kind = 'entity')
    and partner_id in (select partner_id from partners)
group by identity_key, partner_id;

drop table claims;
drop table holdings;
drop table addresses
