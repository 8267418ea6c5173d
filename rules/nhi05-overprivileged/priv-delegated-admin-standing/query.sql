-- Delegated administrators that are a partner's or somebody's outside. Where a delegation cannot have an end, it is not blamed
-- for having none, but for standing unused. Whoever does more here than administer, such as a user of a CRM, uses the delegation only
-- with what the audit trail records; who has not even signed in has not used it either.
with held as (
    select g.identity_key, g.account, g.permission, g.granted_at, g.expires_at, g.last_used_at, g.last_used_known
    from grants g
    where g.source = 'delegation'
        and g.identity_key is not null
    union all
    select m.identity_key, g.account, g.permission, g.granted_at, g.expires_at, g.last_used_at, g.last_used_known
    from grants g
    join memberships m on m.group_key = g.identity_key
    where g.source = 'delegation'
    union all
    select m.identity_key, g.account, g.permission, g.granted_at, g.expires_at, g.last_used_at, g.last_used_known
    from grants g
    join memberships u on u.group_key = g.identity_key
    join memberships m on m.group_key = u.identity_key
    where g.source = 'delegation'
),
delegated as (
    select
        g.identity_key,
        min(g.account) as account,
        min(g.permission) as permission,
        count(distinct g.permission) as permissions,
        min(g.granted_at) as granted_at,
        max(case when g.expires_at is null then 1 else 0 end) as is_endless,
        max(g.expires_at) as expires_at,
        max(g.last_used_at) as last_used_at,
        min(case when g.last_used_known then 1 else 0 end) as is_use_known
    from held g
    group by g.identity_key
),
audited as (
    select
        tenant_id,
        max(case when history_from > $unused_days_before then 0 else 1 end) as is_long
    from coverage
    where dataset = 'usage.audit'
        and status = 'complete'
    group by tenant_id
),
administered as (
    select
        identity_id,
        max(occurred_at) as last_at
    from usage
    where dataset = 'usage.audit'
        and outcome = 'success'
    group by identity_id
),
weighed as (
    select
        f.*,
        d.account,
        d.permission,
        d.permissions,
        d.granted_at,
        d.expires_at as delegated_until,
        coalesce(d.is_endless, 1) as is_endless,
        coalesce(f.partner_name, p.name) as held_by,
        coalesce(f.contract_is_ended, p.is_ended, false) as is_ended,
        case
            when f.kind <> 'delegated_admin' and (u.last_at > d.last_used_at or d.last_used_at is null) then u.last_at
            when f.kind <> 'delegated_admin' then d.last_used_at
            when f.last_used_at > d.last_used_at or d.last_used_at is null then f.last_used_at
            else d.last_used_at
        end as used_at,
        case
            when d.is_use_known = 1 then 1
            when f.kind = 'delegated_admin' and f.last_used_known then 1
            when f.kind <> 'delegated_admin' and a.is_long = 1 then 1
            when f.kind <> 'delegated_admin' and f.last_used_known and coalesce(f.last_used_at < $unused_days_before, true) then 1
            else 0
        end as is_use_known,
        case when f.provider in $endless_providers then 1 else 0 end as cannot_end
    from identity_facts f
    left join delegated d on d.identity_key = f.identity_key
    left join administered u on u.identity_id = f.identity_id
    left join audited a on a.tenant_id = f.tenant_id
    left join integration_facts o on o.tenant_id = f.tenant_id and o.kind = 'account' and o.name = d.account
    left join partner_facts p on p.partner_id = o.partner_id
    where (f.kind = 'delegated_admin' or d.identity_key is not null)
        and f.is_enabled
        and not coalesce(f.is_provider_owned, false)
        and (f.is_partner_related or coalesce(f.is_external, false) or o.integration_id is not null)
),
judged as (
    select
        w.*,
        case
            when w.is_ended then 1
            when w.cannot_end = 1 and w.granted_at >= $unused_days_before then 9
            when w.cannot_end = 1 and w.kind <> 'delegated_admin' and w.created_at >= $unused_days_before then 9
            when w.cannot_end = 1 and w.used_at >= $unused_days_before then 9
            when w.cannot_end = 1 and w.is_use_known = 0 then 8
            when w.cannot_end = 1 then 2
            when w.is_endless = 1 then 3
            when w.delegated_until > $max_delegation_days_after then 4
            else 9
        end as rank
    from weighed w
)
select
    j.identity_id as subject_id,
    j.tenant_id,
    case when j.rank <= 4 then 'fail' when j.rank = 8 then 'unknown' else 'pass' end as outcome,
    j.name as identity,
    j.kind,
    coalesce(j.held_by, 'an account that no partner in the register claims') as held_by,
    case
        when j.permission like 'delegate:%'
            then 'what was delegated to it (' || replace(replace(j.permission, 'delegate:', ''), '_', ' ') || ')'
        when j.permissions > 1
            then j.permission || ' and ' || cast(j.permissions - 1 as varchar) || ' more'
        else coalesce(j.permission, 'something that was not read')
    end as administers,
    case j.rank
        when 1 then 'the contract has ended'
        when 2 then 'it was not used lately'
        when 3 then 'it has no end'
        when 4 then 'its end is further away than allowed'
        else 'its use is not known'
    end as problem,
    j.account,
    j.granted_at as since,
    j.delegated_until as until,
    j.used_at as last_used,
    j.contract_reason as contract_state
from judged j
