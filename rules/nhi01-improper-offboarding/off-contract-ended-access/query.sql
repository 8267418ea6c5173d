-- Identities that a partner holds and that can be used. Where two partners claim one, only the end of a contract makes it a question.
with claimants as (
    select distinct c.identity_key
    from identity_partners c
    join partner_facts p on p.partner_id = c.partner_id
    where c.verdict = 'conflict'
        and p.is_ended
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
        when f.has_access is null then 'unknown'
        else 'fail'
    end as outcome,
    f.name as identity,
    f.kind,
    coalesce(f.partner_name, 'two partners that claim it') as partner,
    f.contract_last_day,
    f.contract_revoke_by as access_was_to_go_by,
    coalesce(f.contract_reason, 'the contract of one of them has ended') as contract_state,
    f.live_credentials,
    f.is_trusted_from_outside as trusted_from_outside
from identity_facts f
left join claimants c on c.identity_key = f.identity_key
where (f.partner_id is not null or (f.is_partner_disputed and c.identity_key is not null))
    and f.is_enabled
    and coalesce(f.has_access, true)
