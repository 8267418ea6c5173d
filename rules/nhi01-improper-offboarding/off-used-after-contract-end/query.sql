-- Identities of partners whose contract ended, or may have. Where two partners claim an identity, the contract of each counts.
with claimants as (
    select
        c.identity_key,
        max(case when p.is_ended then p.ended_at end) as ended_at,
        max(case when p.is_ended and p.ended_at is null then 1 else 0 end) as has_undated_end,
        min(case when p.is_ended then p.ended_at end) as first_ended_at
    from identity_partners c
    join partner_facts p on p.partner_id = c.partner_id
    where c.verdict = 'conflict'
        and p.is_ended
    group by c.identity_key
),
-- a role that partners share does not say which of them used it
sharing as (
    select
        a.identity_key,
        min(a.partner_id) as first_partner,
        max(a.partner_id) as last_partner
    from identity_partners a
    join partner_facts p on p.partner_id = a.partner_id
    where a.verdict = 'asserted'
        and a.role = 'operator'
        and not coalesce(p.is_ended, false)
    group by a.identity_key
),
-- a token's last use may have been refused: Salesforce dates attempts too, and those of a frozen account fail
tried as (
    select
        c.identity_key,
        max(c.last_used_at) as last_used_at
    from credentials c
    join identities i on i.identity_key = c.identity_key
    join identity_facts f on f.identity_key = c.identity_key
    where c.kind = 'oauth_token'
        and c.app_key <> c.identity_key
        and not f.is_enabled
        and coalesce(i.last_used_at <= f.contract_ended_at, true)
    group by c.identity_key
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when f.partner_id is null and c.has_undated_end = 1 and f.last_used_at is not null then 'unknown'
        when f.partner_id is null and f.last_used_at > c.first_ended_at then 'unknown'
        when f.use_after_end_at is not null
            and f.contract_is_ended
            and (s.first_partner <> f.partner_id or s.last_partner <> f.partner_id) then 'unknown'
        when f.contract_is_ended and t.last_used_at = f.use_after_end_at then 'unknown'
        when f.use_after_end_at is not null and f.contract_is_ended then 'fail'
        when coalesce(f.last_used_known, false) = false then 'unknown'
        when f.last_used_at is null then 'pass'
        when f.partner_id is not null and f.contract_ended_at is null then 'unknown'
        else 'pass'
    end as outcome,
    f.name as identity,
    f.kind,
    f.partner_name as partner,
    f.use_after_end_at as used,
    f.contract_last_day,
    case
        when f.partner_id is null then 'two partners claim it, and the contract of one has ended'
        when s.first_partner <> f.partner_id or s.last_partner <> f.partner_id
            then f.contract_reason || '; another partner, whose contract has not ended, holds it too'
        when t.last_used_at = f.use_after_end_at
            then 'since the end, apps tried tokens of it, which may have been refused, as it is frozen or switched off'
        else f.contract_reason
    end as contract_state,
    f.has_access
from identity_facts f
left join claimants c on c.identity_key = f.identity_key
left join sharing s on s.identity_key = f.identity_key
left join tried t on t.identity_key = f.identity_key
where (f.partner_id is not null and coalesce(f.contract_is_ended, true))
    or (f.partner_id is null and f.is_partner_disputed and c.identity_key is not null)
