-- Enabled identities that somebody calls AI agents. Who answers for one is its own business or security owner who has not left; the way to
-- switch it off is the runbook of its partner, and an agent of ours needs none of a partner.
with overseers as (
    select
        o.identity_key,
        count(*) as overseers
    from identity_owners o
    where o.verdict = 'asserted'
        and coalesce(o.role, 'business') in ('business', 'security')
        and coalesce(o.person_status, 'unknown') <> 'left'
    group by o.identity_key
),
agents as (
    select
        f.*,
        case when o.overseers is null then 1 else 0 end as is_unowned,
        case when f.purpose is null then 1 else 0 end as is_aimless,
        case when p.partner_id is not null and p.revoke_runbook is null then 1 else 0 end as is_unstoppable,
        p.revoke_runbook_tested_at
    from identity_facts f
    left join overseers o on o.identity_key = f.identity_key
    left join partner_facts p on p.partner_id = f.partner_id
    where f.is_ai_agent
        and f.is_enabled
        and coalesce(f.has_access, true)
)
select
    a.identity_id as subject_id,
    a.tenant_id,
    case
        when a.is_unowned + a.is_aimless + a.is_unstoppable = 0 then 'pass'
        when a.level >= $min_level then 'fail'
        when a.level is null or a.level_high is null or a.level_high >= $min_level then 'unknown'
        else 'pass'
    end as outcome,
    a.name as identity,
    a.kind,
    a.level,
    'has '
    || case when a.is_unowned = 1 then 'no owner' else '' end
    || case when a.is_unowned = 1 and a.is_aimless = 1 and a.is_unstoppable = 1 then ', ' else '' end
    || case when a.is_unowned = 1 and a.is_aimless + a.is_unstoppable = 1 then ' and ' else '' end
    || case when a.is_aimless = 1 then 'no purpose' else '' end
    || case when a.is_aimless = 1 and a.is_unstoppable = 1 then ' and ' else '' end
    || case when a.is_unstoppable = 1 then 'no way written down to switch it off' else '' end as lacks,
    'its rights depend on something that was not decided' as doubt,
    a.partner_name as partner,
    a.owner_mail as owner,
    a.purpose,
    a.last_used_at as last_used,
    a.revoke_runbook_tested_at as switching_off_rehearsed
from agents a
