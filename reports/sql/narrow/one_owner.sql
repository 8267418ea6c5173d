-- what one owner may see: identities they answer for, and partners whose named owner they are
create temp table scope_mails as
select (select who from scope_who) as mail
union
select old_mail from person_mails where lower(mail) = (select lower(who) from scope_who);
create temp table scope_partners as
select partner_id, true as is_whole
from partners
where lower(business_owner) = (select lower(who) from scope_who) or lower(backup_owner) = (select lower(who) from scope_who) or lower(technical_owner) = (select lower(who) from scope_who)
group by partner_id;
create temp table scope_identities as
select distinct i.identity_key, i.identity_id, i.tenant_id
from identity_facts i
where i.identity_key in (
          select identity_key from identity_owners where verdict = 'asserted' and lower(mail) = (select lower(who) from scope_who)
      )
   or i.identity_key in (
          select p.identity_key
          from identity_partners p
          join scope_partners s on s.partner_id = p.partner_id
          where p.verdict = 'asserted'
      );
-- the partner behind an identity of theirs is named; its register rows stay out
insert into scope_partners
select distinct p.partner_id, false
from identity_partners p
join scope_identities i on i.identity_key = p.identity_key
where p.verdict = 'asserted'
  and p.partner_id not in (select partner_id from scope_partners);
