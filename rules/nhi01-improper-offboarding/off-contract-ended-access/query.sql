-- Identities that a partner holds and that can be used. Where two partners claim one, only the end of a contract makes it a question.
-- An account of a CRM that is frozen or switched off counts as long as apps hold tokens of it: freezing stops sign-ins, not tokens, and
-- whoever is switched on again has them again.
with claimants as (
    select distinct c.identity_key
    from identity_partners c
    join partner_facts p on p.partner_id = c.partner_id
    where c.verdict = 'conflict'
        and p.is_ended
),
left_behind as (
    select
        identity_key,
        count(*) as tokens,
        max(last_used_at) as last_used_at
    from credentials
    where kind = 'oauth_token'
        and app_key is not null
        and lower(status) = 'active'
        and coalesce(expires_at > $as_of, true)
    group by identity_key
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when f.partner_id is null then 'unknown'
        when f.contract_is_ended is null then 'unknown'
        when not f.contract_is_ended then 'pass'
        when f.contract_ended_at is null then 'unknown'
        when coalesce(f.contract_revoke_by >= $as_of, f.contract_ended_at >= $grace_hours_before) then 'pass'
        when f.is_enabled and f.has_access is null then 'unknown'
        else 'fail'
    end as outcome,
    case when f.is_enabled then 'critical' else 'high' end as severity,
    f.name as identity,
    f.kind,
    coalesce(f.partner_name, 'two partners that claim it') as partner,
    case
        when f.is_enabled then 'still has access'
        when t.tokens = 1 then 'is frozen or switched off but still has a token that an app holds'
        else 'is frozen or switched off but still has ' || cast(t.tokens as varchar) || ' tokens that apps hold'
    end as state,
    f.contract_last_day,
    t.last_used_at as last_use_of_such_a_token,
    f.contract_revoke_by as access_was_to_go_by,
    coalesce(f.contract_reason, 'the contract of one of them has ended') as contract_state,
    f.live_credentials,
    f.is_trusted_from_outside as trusted_from_outside
from identity_facts f
left join claimants c on c.identity_key = f.identity_key
left join left_behind t on t.identity_key = f.identity_key
where (f.partner_id is not null or (f.is_partner_disputed and c.identity_key is not null))
    and (
        (f.is_enabled and coalesce(f.has_access, true))
        or (not f.is_enabled and t.identity_key is not null and f.contract_is_ended)
    )
