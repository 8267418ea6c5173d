-- Owner claims weighed. Of several answers to one question (this role, or no role named) the strongest source is asserted;
-- one source may name several people.

create or replace temp table ownership_hits as
select o.mail, o.role, o.register_row, o.owned_kind, i.identity_key
from ownerships o
join identities i on i.identity_id = o.owned
where o.owned_kind in ('identity', 'integration')
union
select o.mail, o.role, o.register_row, o.owned_kind, i.identity_key
from ownerships o
join identities i on i.native_id = o.owned
where o.owned_kind in ('identity', 'integration')
union
select o.mail, o.role, o.register_row, o.owned_kind, i.identity_key
from ownerships o
join identities i on i.name = o.owned
where o.owned_kind in ('identity', 'integration')
union
select o.mail, o.role, o.register_row, o.owned_kind, c.identity_key
from ownerships o
join credentials c on c.credential_id = o.owned
where o.owned_kind = 'credential'
union
select o.mail, o.role, o.register_row, o.owned_kind, c.identity_key
from ownerships o
join credentials c on c.native_id = o.owned
where o.owned_kind = 'credential';

create or replace temp table owner_claims as
select d.identity_key, d.owner as text, case when d.role in ('business', 'technical', 'security') then d.role end as role,
    'identity_map' as source,
    'decided' || coalesce(' by ' || d.decided_by, '') || ': ' || d.pattern as evidence,
    case when d.is_exact then 6 else 5 end as strength,
    1.0::double as confidence,
    d.register_row
from decisions d
where trim(d.owner) <> ''
union
select h.identity_key, h.mail, case when h.role in ('business', 'technical', 'security') then h.role end,
    'register', 'the register names the owner of this ' || h.owned_kind, 4, 0.95, h.register_row
from ownership_hits h
union
select t.identity_key, t.value, case when o.role in ('business', 'technical', 'security') then o.role end,
    'tag', 'tag ' || t.name || ' = "' || t.value || '"', case when o.role = 'creator' then 0 else 3 end,
    case when o.role = 'creator' then 0.5 else 0.8 end, null
from tags t
join owner_tags o on o.name = t.name
union
select p.identity_key, b.mail, 'business',
    'partner', 'business owner of the partner ' || b.name, 2, 0.7, b.register_row
from identity_partners p
join (
    select partner_id, name, business_owner as mail, register_row
    from partners
    union
    select r.partner_id, r.name, o.mail, o.register_row
    from ownerships o
    join (
        select partner_id, name, partner_id as called
        from partners
        union
        select partner_id, name, name
        from partners
    ) r on r.called = o.owned
    where o.owned_kind = 'partner'
        and o.role = 'business'
) b using (partner_id)
where p.verdict = 'asserted'
    and trim(b.mail) <> ''
union
select g.identity_key, a.owner_mail, 'business',
    'account', 'owner of its account "' || a.name || '" in the CRM', 1, 0.6, null
from signs g
join identities i using (identity_key)
join partner_accounts a on a.tenant_id = i.tenant_id and a.account_id = g.value
where g.kind in ('salesforce_account', 'hubspot_company')
    and trim(a.owner_mail) <> '';

-- A tag is written by anybody, and an account may be a partner's own: they count when they name one of us.
create or replace temp table named_owners as
with named as (
    select c.identity_key, c.source, c.strength, c.confidence, c.register_row, a.mail, c.role,
        c.evidence || a.words as evidence,
        a.person_status,
        a.left_on
    from owner_claims c
    join identities i using (identity_key)
    join owner_answers a using (text)
    where i.kind not in ('group', 'entity')
        and (c.source not in ('tag', 'account') or a.is_ours)
)
select n.* replace (coalesce(n.role, r.role, 'other') as role)
from named n
left join (
    select identity_key, mail, max(role) as role
    from named
    where role is not null
    group by identity_key, mail
) r on r.identity_key = n.identity_key and r.mail = n.mail;

create or replace temp table strongest_owners as
select identity_key, role, max(strength) as strength
from named_owners
group by identity_key, role;

create or replace temp table judged_owners as
select n.*,
    case
        when n.strength = 0 then 'suggested'
        when n.strength < r.strength then 'lost'
        when n.role = 'other' and n.strength < 5 and n.strength < a.strength then 'lost'
        else 'asserted'
    end as verdict
from named_owners n
join strongest_owners r on r.identity_key = n.identity_key and r.role = n.role
join (
    select identity_key, max(strength) as strength
    from strongest_owners
    group by identity_key
) a on a.identity_key = n.identity_key;

delete from identity_owners;

-- asserted, lost, suggested: the smallest is the best
insert into identity_owners
select identity_key, mail, role,
    arg_max(source, strength) as source,
    array_to_string(list_sort(list_distinct(list(evidence))), '; ') as evidence,
    max(confidence) as confidence,
    min(verdict) as verdict,
    min(person_status) as person_status,
    min(left_on) as left_on,
    min(register_row) as register_row
from judged_owners
group by identity_key, mail, role;

drop table owner_claims;
drop table named_owners;
drop table judged_owners
