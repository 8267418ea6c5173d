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
    case when d.is_exact then 2 else 1 end as precision,
    1.0::double as confidence,
    d.register_row
from decisions d
where trim(d.owner) <> ''
union
select h.identity_key, h.mail, case when h.role in ('business', 'technical', 'security') then h.role end,
    'register', 'the register names the owner of this ' || h.owned_kind, 0, 0.95, h.register_row
from ownership_hits h
union
select t.identity_key, t.value, case when o.role in ('business', 'technical', 'security') then o.role end,
    'tag', 'tag ' || t.name || ' = "' || t.value || '"', 0, case when o.role = 'creator' then 0.5 else 0.8 end, null
from tags t
join owner_tags o on o.name = t.name
union
select p.identity_key, b.mail, 'business',
    'partner', 'business owner of the partner ' || b.name, 0, 0.7, b.register_row
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
    and trim(b.mail) <> '';

-- whom the text means, today. A tag is written by anybody: it counts when it names one of us.
create or replace temp table named_owners as
select c.identity_key, c.source, c.precision, c.confidence, c.register_row,
    coalesce(p.mail, a.address, lower(trim(c.text))) as mail,
    coalesce(c.role, max(c.role) over (partition by c.identity_key, coalesce(p.mail, a.address, lower(trim(c.text)))), 'other')
        as role,
    c.evidence
        || case when a.is_by_name then ' is the name of ' || p.mail else '' end
        || case when p.address <> p.mail then ' (now ' || p.mail || ')' else '' end
        || case
            when regexp_matches(lower(coalesce(p.name, '') || ' ' || split_part(coalesce(p.mail, a.address, c.text), '@', 1)),
                '(^|[^a-z])(team|group|squad|desk|department|abteilung|ops)([^a-z]|$)') then ' (a team, not a person)'
            when p.mail is null then ' (not in the list of people)'
            when p.side = 'partner' then ' (a person of a partner)'
            else ''
        end as evidence,
    case when p.mail is null then 'unknown' when p.has_left then 'left' else 'active' end as person_status,
    case when p.has_left then p.left_on end as left_on
from owner_claims c
join identities i using (identity_key)
left join owner_addresses a on a.text = c.text
left join persons p on p.address = a.address
where i.kind <> 'group'
    and (
        c.source <> 'tag'
        or p.side = 'ours'
        or (
            coalesce(p.side, 'ours') = 'ours'
            and exists (
                select 1
                from company o
                where o.kind = 'mail_domain'
                    and ends_with('.' || split_part(a.address, '@', -1), '.' || lower(o.value))
            )
        )
    );

create or replace temp table judged_owners as
select n.*,
    case
        when n.confidence = 0.5 then 'suggested'
        when (n.confidence, n.precision) < (
            max(case when n.confidence > 0.5 then (n.confidence, n.precision) end)
                over (partition by n.identity_key, n.role)
        ) then 'lost'
        when n.role = 'other' and n.confidence < max(n.confidence) over (partition by n.identity_key)
            and n.source <> 'identity_map' then 'lost'
        else 'asserted'
    end as verdict
from named_owners n;

delete from identity_owners;

insert into identity_owners
select identity_key, mail, role,
    arg_max(source, (confidence, precision, evidence)) as source,
    string_agg(distinct evidence, '; ' order by evidence) as evidence,
    max(confidence) as confidence,
    min(verdict) as verdict,
    any_value(person_status) as person_status,
    any_value(left_on) as left_on,
    arg_max(register_row, (confidence, precision, evidence)) as register_row
from judged_owners
group by identity_key, mail, role
order by identity_key, confidence desc, role, mail;

drop table owner_claims;
drop table named_owners;
drop table judged_owners
