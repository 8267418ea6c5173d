-- Policies that somebody holds. The built-in root policy cannot be narrowed; its tokens are another rule's. One that opens every
-- secret of a mount is too wide for a partner, and for many; so is one over the secrets of several partners. One that several
-- partners hold, or one partner over another's secrets, shows what is not its holder's.
select
    p.policy_id as subject_id,
    p.tenant_id,
    case
        when p.is_everything_readable and (p.partner_holders > 0 or p.holders > $max_holders) then 'fail'
        when p.secrets_readable > 0 and p.partner_holders > 1 and p.partner_id is null then 'fail'
        when p.partners_readable > 1 then 'fail'
        when p.partner_id <> p.partner_readable then 'fail'
        when p.is_everything_readable is null then 'unknown'
        else 'pass'
    end as outcome,
    case when p.partner_holders > 0 then 'high' else 'medium' end as severity,
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
        when p.holders = 1 then 'one identity'
        else cast(p.holders as varchar) || ' identities'
    end
    || case
        when p.partner_holders = 0 then ''
        when p.holders = 1 then ', a partner''s'
        when p.partner_id is null and p.partner_holders > 1
            then ', ' || cast(p.partner_holders as varchar) || ' of them of different partners'
        else ', ' || cast(p.partner_holders as varchar) || ' of them a partner''s'
    end as readers,
    p.holders,
    p.secrets_readable,
    p.environments_readable,
    p.evidence as rules
from policy_facts p
where p.holders > 0
    and p.name <> 'root'
