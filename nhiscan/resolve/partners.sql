-- Claims weighed. The operator is who holds a credential or a trusted account; each such holding is a fact of its own, so two
-- partners may both be true. Of everything else about one role only the strongest is asserted, and equals contradict each other.

create or replace temp table stated_roles as
select identity_key, partner_id, arg_max(role, (rank, role)) as role
from claims
where role is not null
group by all;

-- whoever a person calls the operator is the operator, whatever is trusted
create or replace temp table decided as
select distinct identity_key
from claims
where role = 'operator';

create or replace temp table holders as
select distinct identity_key, partner_id
from claims
where source = 'alias'
    and identity_key not in (select identity_key from decided);

create or replace temp table placed as
select c.* exclude (role),
    held.identity_key is not null as is_held,
    coalesce(
        c.role,
        s.role,
        case
            when c.source in ('identity_map', 'tag') and held.identity_key is not null and h.partner_id is null
                then 'beneficiary'
            else 'operator'
        end
    ) as role
from claims c
left join stated_roles s using (identity_key, partner_id)
left join (select distinct identity_key from holders) held using (identity_key)
left join holders h using (identity_key, partner_id);

-- holdings that several partners claim, and the one among them whom a person named
create or replace temp table disputes as
select a.identity_key, a.role, a.fact,
    count(distinct m.partner_id) as named,
    min(m.partner_id) as winner
from placed a
left join placed m
    on m.identity_key = a.identity_key
    and m.partner_id = a.partner_id
    and m.role = a.role
    and m.source = 'identity_map'
where a.source = 'alias'
group by a.identity_key, a.role, a.fact
having count(distinct a.partner_id) > 1;

create or replace temp table strongest as
select identity_key, role, rank, count(distinct partner_id) as partners
from placed
where source <> 'alias'
group by identity_key, role, rank
qualify rank = max(rank) over (partition by identity_key, role);

create or replace temp table judged as
select p.*,
    case
        when p.source = 'alias' then case
            when p.identity_key in (select identity_key from decided)
                and not exists (
                    select 1
                    from stated_roles s
                    where s.identity_key = p.identity_key
                        and s.partner_id = p.partner_id
                ) then 'lost'
            when d.fact is null or (d.named = 1 and d.winner = p.partner_id) then 'asserted'
            when d.named = 1 then 'lost'
            else 'conflict'
        end
        when p.role = 'operator' and p.is_held and p.source <> 'identity_map' then 'lost'
        when t.rank is null then 'lost'
        when p.rank = 0 then 'suggested'
        when t.partners = 1 then 'asserted'
        else 'conflict'
    end as verdict
from placed p
left join disputes d on d.identity_key = p.identity_key and d.role = p.role and d.fact = p.fact and p.source = 'alias'
left join strongest t on t.identity_key = p.identity_key and t.role = p.role and t.rank = p.rank;

delete from identity_partners;

insert into identity_partners
with weighed as (
    select identity_key, partner_id, role, source, rank, evidence, verdict, register_row, confidence,
        case verdict when 'asserted' then 3 when 'conflict' then 2 when 'lost' then 1 else 0 end as weight
    from judged
),
worded as (
    select identity_key, partner_id, role, evidence, max(rank) as rank
    from weighed
    group by all
)
select w.identity_key, w.partner_id, w.role, w.source, e.evidence, w.confidence, w.verdict, w.register_row
from (
    select identity_key, partner_id, role,
        arg_max(source, (weight, rank, evidence)) as source,
        max(confidence) as confidence,
        arg_max(verdict, weight) as verdict,
        arg_max(register_row, (weight, rank, evidence)) as register_row
    from weighed
    group by identity_key, partner_id, role
) w
join (
    select identity_key, partner_id, role, string_agg(evidence, '; ' order by rank desc, evidence) as evidence
    from worded
    group by identity_key, partner_id, role
) e using (identity_key, partner_id, role);

drop table claims;
drop table holdings;
drop table addresses;
drop table placed;
drop table judged
