-- Live credentials of kinds that are replaced by a second one beside the first; the older one is what should have gone.
select
    c.credential_id as subject_id,
    c.tenant_id,
    case
        when coalesce(c.live_of_kind, 1) < 2 then 'pass'
        when c.created_at is null then 'unknown'
        when c.newer_live_at < $overlap_days_before then 'fail'
        else 'pass'
    end as outcome,
    c.kind,
    c.native_id,
    c.identity_name as identity,
    c.created_at as created,
    c.newer_live_at as successor_since,
    c.last_used_at as last_used,
    c.live_of_kind
from credential_facts c
where c.is_live
    and c.is_replaceable
    and c.kind <> 'password'
