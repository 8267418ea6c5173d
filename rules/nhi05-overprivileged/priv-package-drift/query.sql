-- Usable identities of partners that hold a package today, all packages of all its partners taken together.
with held as (
    select
        a.identity_key,
        min(coalesce(k.name, g.package_id)) as first_package,
        count(distinct g.package_id) as packages,
        max(case when g.package_version < k.version then 1 else 0 end) as is_outdated,
        max(
            case
                when p.type is null or coalesce(k.allowed_partner_types, '') = '' then 0
                when ';' || replace(replace(lower(k.allowed_partner_types), ' ', ''), ',', ';') || ';'
                    like '%;' || replace(lower(p.type), ' ', '') || ';%' then 0
                else 1
            end
        ) as is_wrong_type,
        min(p.name) as partner,
        min(p.type) as partner_type
    from package_assignments g
    join identity_partners a on a.partner_id = g.partner_id
    left join packages k on k.package_id = g.package_id
    left join partner_facts p on p.partner_id = g.partner_id
    where a.verdict = 'asserted'
        and coalesce(g.assigned_at <= cast($as_of as date), true)
        and coalesce(g.expires_at >= cast($as_of as date), true)
    group by a.identity_key
),
beyond as (
    select
        e.identity_key,
        sum(case when e.certainty = 'definite' then 1 else 0 end) as sure,
        sum(case when e.certainty <> 'definite' then 1 else 0 end) as unsure,
        max(case when e.certainty = 'definite' then e.level end) as level,
        count(distinct case when e.certainty = 'definite' then e.verb end) as verbs,
        min(case when e.certainty = 'definite' then e.verb end) as first_verb,
        max(case when e.certainty = 'definite' then e.verb end) as last_verb
    from package_excess e
    group by e.identity_key
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when f.created_at >= $young_days_before then 'pass'
        when b.sure > 0 or h.is_wrong_type = 1 or h.is_outdated = 1 then 'fail'
        when b.unsure > 0 then 'unknown'
        else 'pass'
    end as outcome,
    case when b.level >= 5 then 'critical' when b.level >= 3 then 'high' else 'medium' end as severity,
    f.name as identity,
    f.kind,
    coalesce(f.partner_name, h.partner) as partner,
    case when h.packages > 1 then h.first_package || ' and ' || cast(h.packages - 1 as varchar) || ' more' else h.first_package end as package,
    case
        when b.sure > 0 and b.verbs = 1 then 'has ' || b.first_verb || ' beyond ' || h.first_package
        when b.sure > 0
            then 'has ' || cast(b.verbs as varchar) || ' kinds of rights beyond ' || h.first_package || ' (' || b.first_verb || ' … ' || b.last_verb || ')'
        when h.is_wrong_type = 1 then 'holds ' || h.first_package || ', which is not meant for a partner of type ' || h.partner_type
        else 'holds ' || h.first_package || ' in a version that is not in force any more'
    end as problem,
    coalesce(b.sure, 0) + coalesce(b.unsure, 0) as excess,
    b.level as highest_level_beyond,
    h.is_outdated = 1 as package_version_is_old,
    h.is_wrong_type = 1 as package_is_for_other_partners
from held h
join identity_facts f on f.identity_key = h.identity_key
left join beyond b on b.identity_key = h.identity_key
where f.is_enabled
    and coalesce(f.has_access, true)
    and not coalesce(f.is_provider_owned, false)
