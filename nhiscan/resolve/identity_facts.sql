-- One row an identity; groups and a vault's entities, which only group others, are left out
delete from identity_facts;

insert into identity_facts by name
select i.identity_key,
    i.identity_id,
    i.provider,
    i.tenant_id,
    coalesce(d.environment, i.environment, e.environment) as environment,
    i.kind,
    i.name,
    i.native_id,
    coalesce(d.purpose, i.purpose) as purpose,
    i.is_nhi,
    i.status = 'enabled' as is_enabled,
    coalesce(i.is_provider_owned, false) as is_provider_owned,
    case
        -- of a disabled identity no credential is live, of an invited one its invitation may be
        when coalesce(l.live_tokens, 0) + coalesce(h.live_credentials, 0) > 0 then true
        when i.status <> 'enabled' then false
        when x.identity_key is not null then true
        -- a CRM lets its people sign in, and by single sign-on without a password there; a portal whoever is on its list
        when (i.licence is not null or i.provider = 'hubspot') and i.kind in ('human_user', 'guest') then true
        when i.provider = 'portal' then true
        when cc.tenant_id is null then null
        else false
    end as has_access,
    x.identity_key is not null as is_trusted_from_outside,
    coalesce(a.is_partner_related, false) or x.identity_key is not null as is_partner_related,
    p.partner_id,
    p.name as partner_name,
    p.role as partner_role,
    p.evidence as partner_evidence,
    p.confidence as partner_confidence,
    coalesce(a.partner_count, 0) as partner_count,
    coalesce(a.is_partner_disputed, false) as is_partner_disputed,
    p.risk as partner_risk,
    o.mail as owner_mail,
    o.role as owner_role,
    o.evidence as owner_evidence,
    o.confidence as owner_confidence,
    o.person_status as owner_status,
    o.left_on::timestamp as owner_left_on,
    coalesce(o.active_owners, 0) as active_owners,
    o.departed_mail as departed_owner_mail,
    o.departed_left_on::timestamp as departed_owner_left_on,
    case when cp.tenant_id is null then null when w.identity_key is null then 0 else w.level end as level,
    case when cp.tenant_id is null then null when w.identity_key is null then 0 else w.level_high end as level_high,
    case when cp.tenant_id is null then null when w.identity_key is null then false else w.is_admin end as is_admin,
    w.admin_evidence,
    r.hops as admin_hops,
    r.next_id as admin_next_id,
    coalesce(h.live_credentials, 0) as live_credentials,
    i.created_at,
    greatest(i.last_used_at, h.last_used_at, l.last_used_at) as last_used_at,
    i.last_used_known or coalesce(l.last_used_known and cc.tenant_id is not null, false) as last_used_known,
    case
        when not i.last_used_known and l.last_used_known and cc.tenant_id is not null then 'use of the tokens that it holds'
        else i.last_used_source
    end as last_used_source,
    case
        when i.last_used_known or l.last_used_known and cc.tenant_id is not null
            then coalesce(greatest(i.last_used_at, h.last_used_at, l.last_used_at), i.created_at)
    end as idle_since,
    i.has_console_password,
    h.console_last_used_at,
    coalesce(h.console_last_used_known, false) as console_last_used_known,
    i.mfa_state,
    p.is_ended as contract_is_ended,
    p.ended_at as contract_ended_at,
    p.ended_at - interval 1 day as contract_last_day,
    p.revoke_by as contract_revoke_by,
    p.contract_id,
    p.reason as contract_reason,
    p.register_row as contract_row,
    case
        when greatest(i.last_used_at, h.last_used_at, l.last_used_at) > p.ended_at
            then greatest(i.last_used_at, h.last_used_at, l.last_used_at)
    end as use_after_end_at,
    i.is_external,
    i.licence,
    i.is_installed,
    i.role_changed_at,
    i.derived_from,
    coalesce(d.ai_agent, t.is_ai_agent, i.is_ai_agent) as is_ai_agent,
    i.invited_at,
    i.created_by
from identities i
left join tagged_agents t on t.identity_key = i.identity_key
left join stated d on d.identity_key = i.identity_key
left join tenant_environments e on e.tenant_id = i.tenant_id
left join open_to_outside x on x.identity_key = i.identity_key
left join holdings_of h on h.identity_key = i.identity_key
left join lent_to l on l.identity_key = i.identity_key
left join powers w on w.identity_key = i.identity_key
left join attributed a on a.identity_key = i.identity_key
left join first_partner p on p.identity_key = i.identity_key
left join owned o on o.identity_key = i.identity_key
left join admin_ways r on r.identity_key = i.identity_key
left join covered cc on cc.tenant_id = i.tenant_id and cc.dataset = 'credentials'
left join covered cp
    on cp.tenant_id = i.tenant_id
    -- what the rights of a provider without an evaluator of its own are read from
    and cp.dataset = case when i.provider in ('aws', 'vault') then 'policies' else 'grants' end
where i.kind not in ('group', 'entity')
