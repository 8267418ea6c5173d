-- A firm that operates a key for another partner is two partners on one identity, and how managed services work: only two of the
-- same role are a fail. Roles that several partners' accounts may assume belong to reuse-role-multi-partner-trust.
with several_accounts as (
    select t.identity_key
    from trusts t
    join identity_facts f on f.identity_key = t.identity_key
    join integration_facts o on o.tenant_id = f.tenant_id and o.kind = 'account' and o.name = t.account
    where t.mechanism = 'assume_role'
        and o.partner_id is not null
    group by t.identity_key
    having count(distinct o.partner_id) > 1
),
by_role as (
    select
        p.identity_key,
        p.role,
        count(distinct p.partner_id) as partners,
        min(coalesce(n.name, p.partner_id)) as first_partner,
        max(coalesce(n.name, p.partner_id)) as last_partner
    from identity_partners p
    left join partner_facts n on n.partner_id = p.partner_id
    where p.verdict = 'asserted'
        and p.role in ('operator', 'beneficiary')
    group by p.identity_key, p.role
),
counted as (
    select
        identity_key,
        max(case when role = 'operator' then partners else 0 end) as operators,
        max(case when role = 'beneficiary' then partners else 0 end) as beneficiaries,
        max(case when partners > 1 then first_partner end) as first_partner,
        max(case when partners > 1 then last_partner end) as last_partner
    from by_role
    group by identity_key
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when c.operators > 1 or c.beneficiaries > 1 then 'fail'
        when f.is_partner_disputed then 'unknown'
        else 'pass'
    end as outcome,
    f.name as identity,
    f.kind,
    case
        when c.operators > 1 then 'is held by ' || cast(c.operators as varchar) || ' partners'
        else 'is used for ' || cast(c.beneficiaries as varchar) || ' partners'
    end as how,
    c.first_partner,
    c.last_partner,
    c.operators,
    c.beneficiaries
from identity_facts f
left join counted c on c.identity_key = f.identity_key
left join several_accounts s on s.identity_key = f.identity_key
where f.is_enabled
    and s.identity_key is null
    and (c.identity_key is not null or f.is_partner_disputed)
