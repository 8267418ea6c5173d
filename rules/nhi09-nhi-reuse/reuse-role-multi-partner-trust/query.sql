-- Roles that accounts outside the company may assume. An account that nobody or more than one partner claims is nobody's.
with counted as (
    select
        t.identity_key,
        count(distinct o.partner_id) as partners,
        count(distinct o.name) as accounts,
        count(distinct case when o.partner_id is null then o.name end) as unclaimed,
        min(coalesce(p.name, o.partner_id)) as first_partner,
        max(coalesce(p.name, o.partner_id)) as last_partner
    from trusts t
    join identity_facts f on f.identity_key = t.identity_key
    join integration_facts o on o.tenant_id = f.tenant_id and o.kind = 'account' and o.name = t.account
    left join partners p on p.partner_id = o.partner_id
    where t.mechanism = 'assume_role'
    group by t.identity_key
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when c.partners > 1 then 'fail'
        when c.unclaimed > 0 and c.accounts > 1 then 'unknown'
        else 'pass'
    end as outcome,
    f.name as identity,
    f.kind,
    c.partners,
    c.first_partner,
    c.last_partner,
    c.accounts as outside_accounts
from counted c
join identity_facts f on f.identity_key = c.identity_key
