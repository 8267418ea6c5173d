-- Whose the accounts are that our roles let in. An account that changed hands is its holder's of today.
delete from outside_accounts;

insert into outside_accounts
with ours as (
    select value as account
    from company
    where kind = 'aws_account'
    union
    select split_part(tenant_id, ':', 2)
    from tenants
    where provider = 'aws'
),
let_in as (
    select distinct account
    from trusts
    where mechanism = 'assume_role'
        and account is not null
        and account not in (select account from ours)
)
select l.account,
    case when count(distinct a.partner_id) = 1 then min(a.partner_id) end as partner_id
from let_in l
cross join scans s
left join aliases a
    on a.kind = 'aws_account'
    and a.value = l.account
    and coalesce(a.exclusive, true)
    and coalesce(a.valid_from <= cast(s.as_of as date), true)
    and coalesce(a.valid_to >= cast(s.as_of as date), true)
group by l.account;
