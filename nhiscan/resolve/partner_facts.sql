-- One row a partner
delete from partner_facts;

insert into partner_facts by name
with delegations as (
    select g.identity_key
    from grants g
    cross join scans s
    where g.source = 'delegation'
        and coalesce(g.expires_at > s.as_of, true)
),
delegates as (
    select identity_key
    from delegations
    union
    select m.identity_key
    from memberships m
    where m.group_key in (select identity_key from delegations)
),
held as (
    select a.partner_id,
        count(*) as identities,
        sum(f.live_credentials)::bigint as live_credentials,
        bool_or(f.has_access) as has_access,
        bool_or(f.has_access is null) as is_access_unknown,
        max(f.level) as level,
        max(f.last_used_at) as last_used_at,
        coalesce(bool_or(f.environment = 'prod'), false) as touches_production,
        bool_or(f.environment is null) as is_environment_unknown,
        min(f.created_at) as first_access_at,
        coalesce(bool_or(f.is_enabled and (f.kind = 'delegated_admin' or d.identity_key is not null)), false) as is_delegated_admin,
        max(f.level) filter (f.has_access) as usable_level
    from (
        select distinct identity_key, partner_id
        from identity_partners
        where verdict = 'asserted'
    ) a
    join identity_facts f using (identity_key)
    left join delegates d using (identity_key)
    group by a.partner_id
),
disputed as (
    select distinct p.partner_id
    from identity_partners p
    join identity_facts f using (identity_key)
    where p.verdict = 'conflict'
        and f.has_access is not false
),
contracted as (
    select covered_id as partner_id,
        count(distinct contract_id) as contracts,
        count(distinct contract_id) filter (state = 'in_force') as contracts_in_force,
        bool_and(state = 'draft') as has_draft_only,
        coalesce(bool_or(state = 'in_force' and last_day is null and auto_renew is not true), false) as is_end_missing,
        case
            when bool_or(security_terms is false) filter (state = 'in_force') then false
            when bool_or(security_terms is null) filter (state = 'in_force') then null
            else bool_and(security_terms) filter (state = 'in_force')
        end as security_terms
    from covering
    group by covered_id
),
-- of the tenants where it holds an identity; of all contracts together when it holds none
placed as (
    select *
    from contract_conclusions c
    where c.tenant_id is not null
        or c.partner_id not in (select partner_id from contract_conclusions where tenant_id is not null)
),
concluded as (
    select partner_id,
        case
            when bool_or(is_ended is false) then false
            when bool_or(is_ended is null) then null
            else true
        end as is_ended,
        coalesce(bool_or(is_ended), false) as is_ended_somewhere,
        case when not bool_or(coalesce(is_ended and ended_at is null, false)) then max(ended_at) end as ended_at,
        bool_or(is_renewal_unconfirmed) as is_renewal_unconfirmed
    from placed
    group by partner_id
),
business_owners as (
    select b.partner_id, a.mail, a.person_status as status, a.left_on
    from (
        select partner_id, business_owner as text
        from partner_rows
        union
        select r.partner_id, o.mail
        from ownerships o
        join partner_rows r on r.partner_id = o.owned
        where o.owned_kind = 'partner'
            and o.role = 'business'
        union
        select r.partner_id, o.mail
        from ownerships o
        join partner_rows r on r.name = o.owned
        where o.owned_kind = 'partner'
            and o.role = 'business'
    ) b
    join owner_answers a using (text)
    qualify row_number() over (
        partition by b.partner_id
        order by case a.person_status when 'active' then 0 when 'unknown' then 1 else 2 end, a.mail
    ) = 1
),
assigned as (
    select a.partner_id, count(distinct a.package_id) as packages
    from package_assignments a
    cross join scans s
    where coalesce(a.assigned_at <= s.as_of::date, true)
        and coalesce(a.expires_at >= s.as_of::date, true)
    group by a.partner_id
)
select p.partner_id,
    p.name,
    p.type,
    p.tier,
    p.risk_tier,
    p.criticality,
    case
        when k.has_open_incident or c.is_ended_somewhere then greatest(coalesce(k.risk, 0.8), 0.8)
        else k.risk
    end as risk,
    b.mail as business_owner,
    b.status as business_owner_status,
    b.left_on::timestamp as business_owner_left_on,
    coalesce(h.identities, 0) as identities,
    coalesce(h.live_credentials, 0) as live_credentials,
    case
        when h.has_access then true
        when h.is_access_unknown or d.partner_id is not null then null
        else false
    end as has_access,
    h.level,
    h.last_used_at,
    p.last_commercial_activity::timestamp as last_commercial_activity,
    coalesce(n.contracts, 0) as contracts,
    coalesce(n.contracts_in_force, 0) as contracts_in_force,
    coalesce(n.has_draft_only, false) as has_draft_only,
    coalesce(n.is_end_missing, false) as is_end_missing,
    n.security_terms,
    c.is_ended,
    c.ended_at,
    c.is_renewal_unconfirmed,
    case
        when h.touches_production or p.touches_production then true
        when h.is_environment_unknown then null
        else false
    end as touches_production,
    p.stage,
    p.trust_label,
    p.classified_at::timestamp as classified_at,
    p.handles_customer_data,
    p.due_diligence_at::timestamp as due_diligence_at,
    p.due_diligence_result,
    p.due_diligence_valid_to::timestamp as due_diligence_valid_to,
    p.onboarded_at::timestamp as onboarded_at,
    p.onboarded_by,
    p.onboarding_approved_by,
    p.revoke_runbook,
    p.revoke_runbook_tested_at::timestamp as revoke_runbook_tested_at,
    coalesce(g.packages, 0) as packages,
    h.first_access_at,
    coalesce(h.is_delegated_admin, false) as is_delegated_admin,
    case
        when h.has_access is not true then null
        when h.usable_level >= 5 then 'critical'
        -- what reaches customers' data in production weighs one step more
        when h.usable_level = 4 and p.handles_customer_data and (h.touches_production or p.touches_production) then 'critical'
        when h.usable_level = 4 then 'high'
        when h.usable_level = 3 and p.handles_customer_data and (h.touches_production or p.touches_production) then 'high'
        when h.usable_level = 3 or p.handles_customer_data then 'medium'
        else 'low'
    end as computed_risk_tier,
    p.register_row
from partner_rows p
left join partner_risks k using (partner_id)
left join held h using (partner_id)
left join disputed d using (partner_id)
left join contracted n using (partner_id)
left join concluded c using (partner_id)
left join business_owners b using (partner_id)
left join assigned g using (partner_id)
order by p.partner_id
