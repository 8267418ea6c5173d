-- Tenants that were reached, that nhiscan.toml calls ours, or of which a collector said something. The register always has
-- dirt, which is quarantined row by row, and tables that nobody keeps: neither is a gap of the scan.
with known as (
    select tenant_id from tenants
    union
    select value from company where kind = 'tenant'
    union
    select tenant_id from coverage
),
counted as (
    select
        c.tenant_id,
        sum(
            case
                when c.status in ('denied', 'failed', 'truncated') then 1
                when c.status = 'partial' and c.dataset not like 'register.%' then 1
                else 0
            end
        ) as gaps,
        sum(
            case when c.status in ('unsupported', 'not_licensed') and c.dataset not like 'register.%' then 1 else 0 end
        ) as limits,
        sum(case when c.status = 'carried' then 1 else 0 end) as carried,
        min(
            case
                when c.status in ('denied', 'failed', 'truncated') then c.dataset
                when c.status = 'partial' and c.dataset not like 'register.%' then c.dataset
            end
        ) as first_gap,
        min(case when c.status in ('unsupported', 'not_licensed') then c.dataset end) as first_limit
    from coverage c
    group by c.tenant_id
)
select
    k.tenant_id as subject_id,
    k.tenant_id,
    case
        when c.tenant_id is null or c.gaps > 0 then 'fail'
        when c.carried > 0 then 'unknown'
        when c.limits > 0 then 'fail'
        else 'pass'
    end as outcome,
    case when c.gaps = 0 then 'info' else 'medium' end as severity,
    coalesce(t.name, k.tenant_id) as tenant,
    case
        when c.tenant_id is null then 'no collector read it'
        when c.gaps > 0
            then cast(c.gaps as varchar) || ' datasets could not be read completely, among them ' || c.first_gap
        else cast(c.limits as varchar) || ' datasets are not offered by this version or licence, among them ' || c.first_limit
    end as problem
from known k
left join counted c on c.tenant_id = k.tenant_id
left join tenants t on t.tenant_id = k.tenant_id
where k.tenant_id is not null
