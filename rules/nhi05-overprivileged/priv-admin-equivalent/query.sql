-- Enabled identities that have to do with a partner: administrators, and whoever gets to one step by step. Making and deleting
-- identities alone leads nowhere, as a new one may do nothing. Rights over every identity lead as far as the ways that were found;
-- where nobody looks for ways, they lead everywhere. What rules over the accounts of an organization is no way from one identity to
-- another, so in the account that manages it such rights stay open.
with managing as (
    select distinct n.tenant_id
    from org_nodes n
    where n.kind = 'root'
),
weighed as (
    select
        p.identity_key,
        p.certainty,
        p.verb,
        case
            when p.verb = 'manage-identity' then 0
            when p.verb in ('admin', 'escalate') then 1
            when i.provider in $walked_providers then 0
            else 1
        end as leads,
        case when p.verb in ('manage-policy', 'manage-trust') and m.tenant_id is not null then 1 else 0 end as is_over_accounts
    from privileges p
    join identity_facts i on i.identity_key = p.identity_key
    left join managing m on m.tenant_id = i.tenant_id
    where p.level >= 5
),
reaching as (
    select
        w.identity_key,
        max(case when w.certainty = 'definite' then w.leads else 0 end) as is_sure,
        max(case when w.leads = 1 or w.is_over_accounts = 1 then 1 else 0 end) as is_possible,
        max(
            case
                when w.certainty <> 'definite' then 0
                when w.verb in ('admin', 'escalate') then 4
                when w.verb in ('manage-policy', 'manage-trust') then 3
                when w.verb = 'impersonate' then 2
                when w.verb = 'delegate' then 1
                else 0
            end
        ) as way
    from weighed w
    group by w.identity_key
),
doubtful as (
    select
        d.identity_key,
        min(d.hops) as hops
    from reach d
    where d.goal = 'admin'
        and d.certainty <> 'definite'
    group by d.identity_key
),
judged as (
    select
        f.*,
        coalesce(f.level >= 5 and coalesce(r.is_sure, 1) = 1 and coalesce(f.admin_hops <= $max_hops, true), false) as leads,
        f.level_high is null or (f.level_high >= 5 and coalesce(r.is_possible, 1) = 1 and coalesce(f.admin_hops <= $max_hops, true))
            as may_lead,
        coalesce(r.way, 4) as way,
        d.hops as doubtful_hops
    from identity_facts f
    left join reaching r on r.identity_key = f.identity_key
    left join doubtful d on d.identity_key = f.identity_key
)
select
    j.identity_id as subject_id,
    j.tenant_id,
    case
        when j.is_admin or j.leads or j.admin_hops <= $max_hops then 'fail'
        when j.is_admin is null or j.may_lead or j.doubtful_hops <= $max_hops then 'unknown'
        else 'pass'
    end as outcome,
    case when j.has_access then 0.8 else 0.4 end as exposure,
    j.name as identity,
    j.kind,
    case when j.provider = 'aws' then j.native_id end as arn,
    case
        when j.is_admin then 'is an administrator'
        when j.admin_hops <= $max_hops and j.admin_next_id = j.identity_id and j.admin_hops = 1
            then 'can give itself an administrator''s rights'
        when j.admin_hops <= $max_hops
            then 'becomes an administrator in '
            || case j.admin_hops when 1 then '1 step' else cast(j.admin_hops as varchar) || ' steps' end
        when j.leads and j.way = 4 then 'can make itself an administrator'
        when j.leads and j.way = 3 then 'can rewrite what every identity may do or who may become it'
        when j.leads and j.way = 2 then 'can act as every identity that lets it, administrators not excepted'
        else 'can hand every role to a service, an administrator''s not excepted'
    end as how,
    coalesce(
        j.admin_evidence,
        case when j.doubtful_hops <= $max_hops then 'a way to an administrator depends on conditions' end,
        'it has rights over other identities or unmapped rights, and how far they lead is open'
    ) as admin_evidence,
    case when j.admin_hops > 0 then j.admin_next_id end as next_identity_on_the_path,
    j.has_access
from judged j
where j.is_enabled
    and j.is_partner_related
    and not coalesce(j.is_provider_owned, false)
