-- Policies that somebody holds and that let secrets be read; the built-in root policy cannot be split. A single secret crosses
-- nothing, whatever its label.
select
    p.policy_id as subject_id,
    p.tenant_id,
    case
        when ', ' || p.environments_readable || ',' like '%, prod,%' and p.environments_readable <> 'prod' then 'fail'
        when p.secrets_readable is null then 'unknown'
        when p.secrets_unlabelled > 0 and p.secrets_readable > 1 then 'unknown'
        else 'pass'
    end as outcome,
    p.name as policy,
    p.environments_readable as environments,
    p.holders,
    coalesce(cast(p.secrets_unlabelled as varchar), 'all') as unlabelled,
    p.secrets_readable,
    p.evidence as rules
from policy_facts p
where p.holders > 0
    and p.name <> 'root'
    and coalesce(p.secrets_readable, 1) > 0
