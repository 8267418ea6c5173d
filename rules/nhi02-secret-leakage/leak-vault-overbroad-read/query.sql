-- Policies that somebody holds. The built-in root policy cannot be narrowed; its tokens are another rule's. One that opens every
-- secret of a mount is too wide for a partner, and for many; so is one over the secrets of several partners. One that several
-- partners hold, or one partner over another's secrets, shows what is not its holder's. Whoever is denied by another policy
-- what this one opens, reads nothing.
with counted as (
    select
        p.*,
        p.readers + p.perhaps_readers as most_readers,
        case when p.perhaps_readers > 0 then p.partner_holders else p.partner_readers end as most_partner_readers
    from policy_facts p
    where p.holders > 0
        and p.name <> 'root'
)
select
    p.policy_id as subject_id,
    p.tenant_id,
    case
        when p.is_everything_readable and (p.partner_readers > 0 or p.readers > $max_holders) then 'fail'
        when p.secrets_readable > 0 and p.partner_readers > 1 and p.partner_id is null then 'fail'
        when p.partners_readable > 1 and p.readers > 0 then 'fail'
        when p.partner_id <> p.partner_readable and p.partner_readers > 0 then 'fail'
        when p.is_everything_readable is null and p.most_readers > 0 then 'unknown'
        when p.is_everything_readable and (p.most_partner_readers > 0 or p.most_readers > $max_holders) then 'unknown'
        when p.secrets_readable > 0 and p.most_partner_readers > 1 and p.partner_id is null then 'unknown'
        when p.partners_readable > 1 and p.most_readers > 0 then 'unknown'
        when p.partner_id <> p.partner_readable and p.most_partner_readers > 0 then 'unknown'
        else 'pass'
    end as outcome,
    case when p.most_partner_readers > 0 then 'high' else 'medium' end as severity,
    p.name as policy,
    case
        when p.mounts_readable = 1 then 'every secret of a mount'
        when p.mounts_readable > 1 then 'every secret of ' || cast(p.mounts_readable as varchar) || ' mounts'
        else cast(p.secrets_readable as varchar) || ' secrets'
    end
    || case
        when p.partners_readable > 1 then ' with those of ' || cast(p.partners_readable as varchar) || ' partners'
        when p.partner_id <> p.partner_readable then ' of another partner'
        else ''
    end as reach,
    case
        when p.readers = 1 then 'one identity'
        else cast(p.readers as varchar) || ' identities'
    end
    || case
        when p.partner_readers = 0 then ''
        when p.readers = 1 then ', a partner''s'
        when p.partner_id is null and p.partner_readers > 1
            then ', ' || cast(p.partner_readers as varchar) || ' of them of different partners'
        else ', ' || cast(p.partner_readers as varchar) || ' of them a partner''s'
    end as readers,
    p.holders,
    p.secrets_readable,
    p.environments_readable,
    p.evidence as rules
from counted p
