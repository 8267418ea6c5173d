-- Live credentials that can be given out. Workloads, builds among them, are told by their settings; else by use, where both the networks and the
-- programs must differ: one workload has many addresses, and one program runs in many workloads.
with settings_of as (
    select
        p.credential_id,
        count(distinct p.holder_id) as workloads
    from secret_places p
    join resource_facts r on r.resource_id = p.resource_id
    where p.credential_id is not null
        and (r.is_workload or p.where_kind = 'pipeline')
    group by p.credential_id
),
used_from as (
    select
        credential_id,
        count(distinct network) as networks,
        count(distinct program) as programs
    from credential_sources
    where last_used_at >= $window_days_before
    group by credential_id
)
select
    c.credential_id as subject_id,
    c.tenant_id,
    case
        when s.workloads > $max_workloads then 'fail'
        when u.networks > $max_workloads and u.programs > $max_workloads then 'fail'
        when c.last_used_at >= $window_days_before and u.credential_id is null then 'unknown'
        else 'pass'
    end as outcome,
    case when c.level >= 4 then 'high' else 'medium' end as severity,
    c.kind,
    c.native_id,
    c.identity_name as identity,
    case
        when s.workloads > $max_workloads then 'stands in the settings of ' || cast(s.workloads as varchar) || ' workloads'
        else 'was used in ' || cast(u.networks as varchar) || ' networks with ' || cast(u.programs as varchar) || ' programs'
    end as how,
    s.workloads,
    u.networks,
    u.programs
from credential_facts c
left join settings_of s on s.credential_id = c.credential_id
left join used_from u on u.credential_id = c.credential_id
where c.is_live
    and c.is_replaceable
    and c.kind <> 'password'
    and coalesce(c.is_nhi, true)
