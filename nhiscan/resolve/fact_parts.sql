-- What the facts are put together from: one row an identity, tenant or partner each

create or replace temp table stated as
select identity_key,
    arg_min(lower(trim(environment)), (not is_exact, -length(pattern), decision)) filter (trim(environment) <> '')
        as environment,
    arg_min(purpose, (not is_exact, -length(pattern), decision)) filter (trim(purpose) <> '') as purpose,
    arg_min(ai_agent, (not is_exact, -length(pattern), decision)) filter (ai_agent is not null) as ai_agent
from decisions
group by identity_key;

create or replace temp table tagged_agents as
select identity_key, bool_or(lower(trim(value)) in ('true', 'yes', '1', 'ja')) as is_ai_agent
from tags
where lower(replace(name, '_', '-')) in ('ai-agent', 'aiagent')
    and lower(trim(value)) in ('true', 'yes', '1', 'ja', 'false', 'no', '0', 'nein')
group by identity_key;

-- Somebody outside may become it. A principal "*" that a condition narrows is outside only when the condition names an outside
-- account; sign-on providers of roles that the provider itself made are ours.
create or replace temp table open_to_outside as
with of_partners as (
    select distinct identity_key
    from identity_partners
    where verdict in ('asserted', 'conflict')
)
select distinct t.identity_key
from trusts t
join identities i using (identity_key)
where not coalesce(i.is_provider_owned, false)
    and case
        when t.principal_kind = 'any' then t.narrowed_by is null
            or coalesce(t.account not in (select account from our_accounts), false)
            or exists (
                select 1
                from trust_conditions c
                where c.trust_key = t.trust_key
                    and lower(c.name) = 'aws:principalaccount'
                    and c.operator not ilike '%not%'
                    and c.value not in (select account from our_accounts)
            )
        when t.principal_kind in ('account', 'identity') then t.account not in (select account from our_accounts)
        when t.principal_kind in ('oidc', 'saml') then coalesce(
            rtrim(regexp_replace(lower(t.issuer), '^https?://', ''), '/') not in (select issuer from our_issuers),
            true
        )
        -- an issuer of ours may serve many: what is a partner's stays outside
        or t.identity_key in (select identity_key from of_partners)
        -- a cluster or authority is ours, what runs in it or was signed by it may not be
        when t.principal_kind in ('kubernetes', 'cert') then t.identity_key in (select identity_key from of_partners)
        else false
    end;

create or replace temp table holdings_of as
select identity_key,
    count(*) filter (is_live) as live_credentials,
    max(last_used_at) as last_used_at,
    max(last_used_at) filter (kind = 'password') as console_last_used_at,
    bool_and(coalesce(last_used_known, false)) filter (kind = 'password') as console_last_used_known
from live
group by identity_key;

-- Tokens belong to the users whom an app acts as; their use is the app's too.
create or replace temp table lent_to as
select app_key as identity_key,
    count(*) filter (is_live) as live_tokens,
    max(last_used_at) as last_used_at,
    bool_and(coalesce(last_used_known, false)) as last_used_known
from live
where app_key <> identity_key
group by app_key;

-- The highest level that is sure, and the highest that cannot be ruled out. A permission that no table maps leaves its level open
-- but makes nobody an administrator; a document that could not be read may allow anything.
create or replace temp table powers as
with decided as (
    select p.* replace (coalesce(p.level, case when p.scope in ('set', 'single', 'self') then n.level end) as level)
    from privileges p
    left join narrow_levels n on n.identity_key = p.identity_key and n.verb = p.verb
)
select identity_key,
    coalesce(
        max(level) filter (certainty = 'definite'),
        case when count(*) filter (certainty = 'definite' and level is null) = 0 then 0 end
    ) as level,
    case
        when max(level) filter (certainty = 'definite') = 5 then 5
        when count(*) filter (level is null) = 0 then max(level)
    end as level_high,
    case
        when bool_or(verb = 'admin' and certainty = 'definite') then true
        when bool_or(verb = 'admin' or (verb = 'unknown' and statement is null)) then null
        else false
    end as is_admin,
    arg_min(concat_ws('; ', statement, considered), (certainty <> 'definite', verb <> 'admin', certainty, policy_key, statement))
        filter (verb = 'admin' or (verb = 'unknown' and statement is null)) as admin_evidence
from decided
group by identity_key;

create or replace temp table partner_risks as
select p.partner_id,
    greatest(t.risk, c.risk) as risk,
    p.partner_id in (
        select n.partner_id
        from incidents n
        cross join scans s
        where (n.closed_at is null or n.closed_at > s.as_of)
            and coalesce(least(n.disclosed_at, n.opened_at) <= s.as_of, true)
    ) as has_open_incident
from partner_rows p
left join (values ('critical', 1.0::double), ('high', 0.8), ('medium', 0.55), ('low', 0.3)) t (tier, risk)
    on t.tier = lower(p.risk_tier)
left join (values ('critical', 1.0::double), ('high', 0.8), ('medium', 0.55), ('low', 0.3)) c (tier, risk)
    on c.tier = lower(p.criticality);

create or replace temp table attributed as
select p.identity_key,
    count(distinct p.partner_id) filter (p.verdict = 'asserted') as partner_count,
    coalesce(bool_or(p.verdict in ('asserted', 'conflict', 'suggested')), false) as is_partner_related,
    bool_or(p.verdict = 'conflict') and not bool_or(p.verdict = 'asserted') as is_partner_disputed
from identity_partners p
group by p.identity_key;

create or replace temp table first_partner as
select p.identity_key, p.partner_id, r.name, p.role, p.evidence, p.confidence,
    c.is_ended, c.ended_at, c.revoke_by, c.contract_id, c.reason, c.register_row,
    case
        when k.has_open_incident or coalesce(c.is_ended, false) then greatest(coalesce(k.risk, 0.8), 0.8)
        else k.risk
    end as risk
from identity_partners p
join identities i using (identity_key)
left join partner_rows r on r.partner_id = p.partner_id
left join partner_risks k on k.partner_id = p.partner_id
left join partner_tenants c on c.partner_id = p.partner_id and c.tenant_id = i.tenant_id
where p.verdict = 'asserted'
qualify row_number() over (
    partition by p.identity_key
    order by case p.role when 'operator' then 0 when 'beneficiary' then 1 else 2 end,
        coalesce(c.is_ended, false) desc, p.confidence desc, p.partner_id
) = 1;

create or replace temp table owned as
select identity_key,
    arg_min(mail, rank) as mail,
    arg_min(role, rank) as role,
    arg_min(evidence, rank) as evidence,
    arg_min(confidence, rank) as confidence,
    arg_min(person_status, rank) as person_status,
    min_by(struct_pack(day := left_on), rank).day as left_on,
    count(distinct mail) filter (person_status <> 'left') as active_owners,
    arg_min(mail, left_rank) filter (person_status = 'left') as departed_mail,
    min_by(struct_pack(day := left_on), left_rank) filter (person_status = 'left').day as departed_left_on
from (
    select *,
        row_number() over (
            partition by identity_key
            order by case person_status when 'active' then 0 when 'unknown' then 1 else 2 end, confidence desc, role, mail
        ) as rank,
        row_number() over (partition by identity_key order by left_on desc nulls last, confidence desc, role, mail) as left_rank
    from identity_owners
    where verdict = 'asserted'
)
group by identity_key;

create or replace temp table admin_ways as
select r.identity_key, r.hops, n.identity_id as next_id
from reach r
left join identities n on n.identity_key = r.next_key
where r.goal = 'admin'
    and r.certainty = 'definite'
