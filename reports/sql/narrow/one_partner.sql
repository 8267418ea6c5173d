-- what one partner may see: itself and the identities that are asserted to be its own
create temp table scope_partners as
select (select who from scope_who) as partner_id, true as is_whole;
create temp table scope_identities as
select distinct i.identity_key, i.identity_id, i.tenant_id
from identity_partners p
join identity_facts i on i.identity_key = p.identity_key
where p.partner_id = (select who from scope_who)
  and p.verdict = 'asserted';
create temp table scope_mails as
select null::varchar as mail where false;
