-- Enabled machine identities that are no administrators, ours and partners': whether a way leads them to one. Whoever may become an
-- administrator under conditions that are not known stays open. A right to escalate counts where nobody looked for its way.
with ways as (
    select
        r.identity_key,
        min(case when r.certainty = 'definite' then r.hops end) as hops,
        min(case when r.certainty = 'definite' then r.next_key end) as next_key,
        min(case when r.certainty <> 'definite' then r.hops end) as doubtful_hops
    from reach r
    where r.goal = 'admin'
        and r.hops > 0
    group by r.identity_key
),
steps as (
    select
        w.identity_key,
        e.path_id,
        coalesce(e.statement, e.evidence) as statement
    from ways w
    join access_edges e on e.from_key = w.identity_key and e.to_key = w.next_key
    where e.certainty = 'definite'
        and e.kind <> 'member-of'
    union all
    select
        w.identity_key,
        coalesce(i.path_id, o.path_id),
        coalesce(i.statement, o.statement, i.evidence, o.evidence)
    from ways w
    join access_edges i on i.from_key = w.identity_key
    join access_hubs h on h.hub_key = i.to_key
    join access_edges o on o.from_key = h.hub_key and o.to_key = w.next_key
    where i.certainty = 'definite'
        and o.certainty = 'definite'
),
first_steps as (
    select
        s.identity_key,
        s.path_id,
        s.statement,
        row_number() over (partition by s.identity_key order by s.path_id nulls last, s.statement) as place
    from steps s
),
rights as (
    select
        p.identity_key,
        max(case when p.certainty = 'definite' then 1 else 0 end) as is_sure,
        min(p.statement) as statement
    from privileges p
    where p.verb = 'escalate'
    group by p.identity_key
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when w.hops <= $max_hops then 'fail'
        when f.is_admin is null or w.doubtful_hops <= $max_hops then 'unknown'
        when w.identity_key is not null then 'pass'
        when r.is_sure = 1 then 'fail'
        when r.is_sure = 0 then 'unknown'
        else 'pass'
    end as outcome,
    case when f.has_access then 0.8 else 0.4 end as exposure,
    f.name as identity,
    f.kind,
    case when f.provider = 'aws' then f.native_id end as arn,
    case
        when w.hops = 1 and w.next_key = f.identity_key then 'can give itself an administrator''s rights'
        when w.hops = 1 then 'becomes the administrator ' || n.identity_id || ' in 1 step'
        when w.hops > 1
            then 'becomes an administrator in ' || cast(w.hops as varchar) || ' steps, the first to ' || n.identity_id
        else 'holds a right that leads to administration'
    end as way,
    case
        when f.is_admin is null then 'whether it is one itself depends on conditions'
        else 'a step depends on something that cannot be decided'
    end as doubt,
    w.hops,
    n.identity_id as next_identity,
    s.path_id as known_path,
    coalesce(s.statement, r.statement) as first_step_allowed_by
from identity_facts f
left join ways w on w.identity_key = f.identity_key
left join identity_facts n on n.identity_key = w.next_key
left join first_steps s on s.identity_key = f.identity_key and s.place = 1
left join rights r on r.identity_key = f.identity_key
where f.is_enabled
    and coalesce(f.is_nhi, true)
    and not coalesce(f.is_admin, false)
    and not coalesce(f.is_provider_owned, false)
