-- Workloads, each of which can have a role, and repositories whose builds can. Keys whose id begins with ASIA end by themselves and are left out, as are keys
-- that no longer work.
with carried as (
    select
        p.resource_id,
        max(case when c.is_live then 1 else 0 end) as is_live,
        max(case when c.credential_id is null then 1 else 0 end) as is_foreign,
        min(case when c.is_live then p.native_id end) as live_key,
        min(case when c.credential_id is null then p.native_id end) as foreign_key,
        max(case when c.is_live then c.level end) as level,
        max(case when c.is_live then c.age_days end) as age_days
    from secret_places p
    left join credential_facts c on c.credential_id = p.credential_id
    where p.kind = 'aws_access_key_id'
        and p.native_id like 'AKIA%'
        and p.where_kind in ('environment', 'user_data', 'ci_variable', 'pipeline')
    group by p.resource_id
)
select
    r.resource_id as subject_id,
    r.tenant_id,
    case
        when k.is_live = 1 then 'fail'
        when k.is_foreign = 1 then 'unknown'
        else 'pass'
    end as outcome,
    r.kind,
    r.name as resource,
    r.native_id,
    coalesce(k.live_key, k.foreign_key) as key,
    c.identity_name as identity,
    k.age_days as key_age_days,
    k.level as key_level,
    coalesce(r.runs_as_id, 'no role yet') as runs_as,
    r.partner_name as partner
from resource_facts r
left join carried k on k.resource_id = r.resource_id
left join (
    select
        native_id,
        min(identity_name) as identity_name
    from credential_facts
    where kind = 'access_key'
    group by native_id
) c on c.native_id = k.live_key
where r.is_workload
    or r.kind = 'repository'
