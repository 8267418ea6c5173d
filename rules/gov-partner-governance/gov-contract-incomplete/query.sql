-- Partners that hold access, or may hold it. Ended ones are a matter of offboarding, not of papers. Security terms are only
-- judged once half of the contracts say anything about them, and ends once the register has a column for them.
with terms as (
    select
        max(case when field = 'security_terms' and 2 * filled >= rows then 1 else 0 end) as are_declared,
        max(case when field = 'end_date' then 1 else 0 end) as have_ends
    from register_fields
    where holds = 'contracts'
),
looked as (
    select
        p.*,
        case
            when p.contracts = 0 then 'no contract that grants it'
            when p.has_draft_only then 'its contract is a draft'
            when p.contracts_in_force > 0 and t.have_ends = 1 and p.is_end_missing then 'its contract has no end and does not renew itself by its terms'
            when p.contracts_in_force > 0 and t.are_declared = 1 and not p.security_terms then 'its contract has no security terms'
        end as problem,
        case
            when p.contracts is null then 1
            when p.contracts > 0 and not coalesce(p.has_draft_only, false) and p.contracts_in_force = 0 then 1
            when p.contracts_in_force > 0 and t.are_declared = 1 and p.security_terms is null then 1
            else 0
        end as is_open
    from partner_facts p
    cross join terms t
    where coalesce(p.has_access, true)
        and not coalesce(p.is_ended and p.contracts > 0, false)
)
select
    l.partner_id as subject_id,
    cast(null as varchar) as tenant_id,
    case
        when l.problem is not null and l.has_access then 'fail'
        when l.problem is not null or l.is_open = 1 then 'unknown'
        else 'pass'
    end as outcome,
    case when l.touches_production then 'high' else 'medium' end as severity,
    l.name as partner,
    l.problem,
    l.contracts,
    l.contracts_in_force,
    l.is_renewal_unconfirmed as renewal_unconfirmed,
    l.touches_production
from looked l
