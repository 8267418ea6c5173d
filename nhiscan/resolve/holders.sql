-- identity_partners, past_claims, entity_claims, grouped -> holders: which identity counts for which partner, and how surely; one row each.
-- A claim that lost to something weaker than a person's decision is still a reason to look.
create or replace temp table holders as
with decided as (
    select distinct identity_key
    from identity_partners
    where source = 'identity_map'
        and verdict = 'asserted'
),
counted as (
    select p.identity_key, p.partner_id, p.evidence, p.confidence,
        case p.verdict when 'asserted' then p.role when 'suggested' then 'suggested' else 'disputed' end as relation
    from identity_partners p
    where p.verdict in ('asserted', 'conflict', 'suggested')
        or (
            p.source not in ('identity_map', 'likeness')
            and p.identity_key not in (select identity_key from decided)
        )
    union all
    select c.identity_key, c.partner_id, c.evidence || ', though no longer or not alone by the register', 0, 'disputed'
    from past_claims c
    where c.identity_key not in (select identity_key from decided)
        and not exists (
            select 1
            from identity_partners p
            where p.identity_key = c.identity_key
                and p.partner_id = c.partner_id
        )
    union all
    select identity_key, partner_id, evidence, 0.8,
        case when count(*) over (partition by identity_key) > 1 then 'disputed' else 'operator' end
    from entity_claims
    union all
    select g.identity_key, g.partner_id, g.evidence, 0.3, 'suggested'
    from grouped g
    join identities i using (identity_key)
    where i.kind = 'entity'
        and g.identity_key not in (select identity_key from entity_claims)
        and g.identity_key not in (select identity_key from decided)
)
select identity_key, partner_id,
    arg_min(relation, rank) as relation,
    arg_min(evidence, rank) as evidence
from (
    select *,
        (list_position(['operator', 'beneficiary', 'vendor', 'disputed', 'suggested'], relation), -confidence, evidence) as rank
    from counted
)
group by identity_key, partner_id;

-- accounts, issuers and clients that the register calls a partner's. Who of several it is, nobody says; nor whether one that was a
-- partner's until some day still is, unless it is another's by now.
create or replace temp table outside_names as
with now as (
    select kind, key, partner_id, our_tenant,
        case when count(distinct partner_id) over (partition by kind, key) > 1 then 'disputed' else 'operator' end as relation
    from keys_in_force
)
select *
from now
where kind in ('aws_account', 'entra_tenant', 'github_org', 'client_id')
union all
select k.kind, k.key, k.partner_id, k.our_tenant, 'disputed'
from past_keys k
where k.kind in ('aws_account', 'entra_tenant', 'github_org', 'client_id')
    and not exists (select 1 from now n where n.kind = k.kind and n.key = k.key and n.partner_id = k.partner_id);

-- whom of outside a trust names, in the words of aliases
create or replace temp table trust_names as
select trust_key, 'aws_account' as kind, account as key, 'it lets account ' || account || ' in' as seen
from trusts
where principal_kind in ('any', 'account', 'identity')
    and account <> ''
union
select t.trust_key, 'aws_account', c.value, 'it is narrowed to account ' || c.value
from trusts t
join trust_conditions c using (trust_key)
where t.principal_kind = 'any'
    and lower(c.name) = 'aws:principalaccount'
    and c.operator not ilike '%not%'
union
select t.trust_key, 'github_org',
    lower(regexp_extract(c.value, case when c.name ilike '%:sub' then '^repo:([^/@*?]+)[/@]' else '^([^/@*?]+)/' end, 1)),
    'it accepts tokens of ' || c.value
from trusts t
join trust_conditions c using (trust_key)
where t.principal_kind = 'oidc'
    and (c.name ilike '%:sub' or c.name ilike '%:repository')
    and c.operator not ilike '%not%'
union
select trust_key, 'entra_tenant', lower(regexp_extract(issuer, '[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}')),
    'it accepts tokens of issuer ' || issuer
from trusts
where principal_kind in ('oidc', 'saml')
    and issuer <> ''
union
select t.trust_key, 'client_id', c.value, 'it accepts tokens for client ' || c.value
from trusts t
join trust_conditions c using (trust_key)
where t.principal_kind = 'oidc'
    and c.name ilike '%:aud'
    and c.operator not ilike '%not%';

-- trusts by which somebody else than our own accounts and services comes in
create or replace temp table open_trusts as
select t.trust_key
from trusts t
where case
    when t.principal_kind in ('account', 'identity') then coalesce(t.account not in (select account from our_accounts), true)
    when t.principal_kind = 'any' then coalesce(t.account not in (select account from our_accounts), true)
    else t.principal_kind <> 'service'
end;

create or replace temp table grant_names as
select grant_id, 'aws_account' as kind, account as key
from grants
where account <> ''
union
select grant_id, 'entra_tenant', lower(regexp_extract(principal, '[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}'))
from grants
where principal_kind = 'federated'
