-- One row a resource
create or replace temp table tagged_environments as
select t.resource_key, min(w.environment) as environment
from resource_tags t
join environment_tags n on n.name = t.name
join environment_words w on w.word = lower(trim(t.value))
group by t.resource_key
having count(distinct w.environment) = 1;

-- A path in a vault that the register calls a partner's is named more exactly than by any tag.
create or replace temp table resource_partners as
with claims as (
    select t.resource_key, v.partner_id, 1 as strength,
        'tag ' || t.name || ' = "' || t.value || '" is the partner''s ' || v.what as evidence
    from resource_tags t
    join resources r using (resource_key)
    join tag_values v on v.value = t.value
    where t.name in (select name from partner_tags)
        and (v.our_tenant is null or v.our_tenant in (r.tenant_id, split_part(r.tenant_id, ':', 2)))
    union all
    select p.resource_key, a.partner_id, 2, 'it lies under ' || p.path || ', a vault_path of the partner'
    from (
        select resource_key, tenant_id, array_to_string(parts[1:unnest(range(1, len(parts) + 1))], '/') as path
        from (
            select resource_key, tenant_id, string_split(trim(unnest([native_id, name]), '/'), '/') as parts
            from resources
            where provider = 'vault'
        )
    ) p
    join alias_keys a on a.kind = 'vault_path' and a.key = p.path
    where a.our_tenant is null or a.our_tenant in (p.tenant_id, split_part(p.tenant_id, ':', 2))
),
strongest as (
    select *
    from claims
    qualify strength = max(strength) over (partition by resource_key)
)
-- two partners by equal evidence: nothing is asserted
select resource_key,
    case when count(distinct partner_id) = 1 then min(partner_id) end as partner_id,
    min(evidence) as evidence
from strongest
group by resource_key;

create or replace temp table resource_owners as
select t.resource_key, min(a.mail) as mail
from resource_tags t
join owner_tags n on n.name = t.name
join owner_answers a on a.text = t.value
where a.is_ours
    and n.role <> 'creator'
group by t.resource_key
having count(distinct a.mail) = 1;

create or replace temp table let_in as
with judged as (
    select g.resource_key,
        case
            when g.principal_kind = 'any' and g.narrowed_by is null and not g.has_other_conditions then true
            when g.principal_kind in ('any', 'account', 'identity', 'service') and g.account is not null
                then g.account not in (select account from our_accounts)
            when g.principal_kind = 'federated' then
                rtrim(regexp_replace(lower(g.principal), '^https?://', ''), '/') not in (select issuer from our_issuers)
            when g.principal_kind = 'service' or g.identity_key is not null then false
        end as is_outside,
        a.partner_id is not null or coalesce(f.is_partner_related, false) as is_partner
    from grants g
    left join alias_keys a
        on a.kind = 'aws_account'
        and a.key = g.account
        and (a.our_tenant is null or a.our_tenant in (g.tenant_id, split_part(g.tenant_id, ':', 2)))
    left join identity_facts f on f.identity_key = g.identity_key
    where g.resource_key is not null
)
-- one grant that nobody can place leaves it open whether the resource is
select resource_key,
    case when bool_or(is_outside) then true when count(*) = count(is_outside) then false end as is_outside,
    bool_or(is_partner) as is_partner
from judged
group by resource_key;

delete from resource_facts;

insert into resource_facts by name
with partner_names as (
    select partner_id, min(name) as name
    from partners
    group by partner_id
)
select r.resource_key,
    r.resource_id,
    r.provider,
    r.tenant_id,
    r.kind,
    r.name,
    r.native_id,
    coalesce(r.environment, e.environment, o.environment) as environment,
    coalesce(p.partner_id, case when p.resource_key is null then f.partner_id end) as partner_id,
    n.name as partner_name,
    case
        when p.partner_id is not null then p.evidence
        when p.resource_key is null and f.partner_id is not null
            then 'it runs as ' || f.name || coalesce(': ' || f.partner_evidence, '')
    end as partner_evidence,
    p.resource_key is not null or coalesce(f.is_partner_related, false) or coalesce(l.is_partner, false)
        as is_partner_related,
    r.runs_as_key is not null or r.kind in (select kind from workload_kinds) as is_workload,
    f.identity_id as runs_as_id,
    coalesce(w.mail, f.owner_mail) as owner_mail,
    f.level,
    r.encrypted_at_rest,
    r.encrypted_in_transit,
    r.audience,
    case when l.resource_key is not null then l.is_outside when g.tenant_id is not null then false end as is_open_to_outside
from resources r
left join tagged_environments e using (resource_key)
left join tenant_environments o on o.tenant_id = r.tenant_id
left join resource_partners p on p.resource_key = r.resource_key
left join resource_owners w on w.resource_key = r.resource_key
left join let_in l on l.resource_key = r.resource_key
left join covered g on g.tenant_id = r.tenant_id and g.dataset = 'grants'
left join identity_facts f on f.identity_key = r.runs_as_key
left join partner_names n
    on n.partner_id = coalesce(p.partner_id, case when p.resource_key is null then f.partner_id end)
order by r.resource_key
