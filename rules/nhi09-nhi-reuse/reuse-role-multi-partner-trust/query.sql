-- Roles that accounts outside the company may assume; what was scanned is inside. An account that nobody or more than one partner claims is nobody's.
with outside as (
    select distinct
        t.identity_key,
        t.account
    from trusts t
    where t.mechanism = 'assume_role'
        and t.account is not null
        and not exists (
            select 1
            from company c
            where c.kind = 'aws_account'
                and c.value = t.account
        )
        and not exists (
            select 1
            from tenants r
            where r.tenant_id = 'aws:' || t.account
        )
),
holders as (
    select
        a.value as account,
        min(a.partner_id) as partner_id
    from aliases a
    where a.kind = 'aws_account'
        and coalesce(a.valid_from <= cast($as_of as date), true)
        and coalesce(a.valid_to >= cast($as_of as date), true)
    group by a.value
    having count(distinct a.partner_id) = 1
),
counted as (
    select
        o.identity_key,
        count(distinct h.partner_id) as partners,
        count(distinct o.account) as accounts,
        sum(case when h.partner_id is null then 1 else 0 end) as unclaimed,
        min(coalesce(p.name, h.partner_id)) as first_partner,
        max(coalesce(p.name, h.partner_id)) as last_partner
    from outside o
    left join holders h on h.account = o.account
    left join partners p on p.partner_id = h.partner_id
    group by o.identity_key
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
