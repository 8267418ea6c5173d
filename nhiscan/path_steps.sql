-- for each wanted pair of neighbours the surest way of the one to the other, and how many ways there are
with pairs as (
    select distinct w.from_key, w.to_key, w.is_rewriting_wanted
    from (
        select unnest($starts::bigint[]) as from_key,
               unnest($ends::bigint[]) as to_key,
               unnest($rewriting::boolean[]) as is_rewriting_wanted
    ) w
),
ways as (
    select p.from_key, p.to_key, p.is_rewriting_wanted, e.kind, e.certainty, e.is_rewriting, e.path_id, e.resource_key,
           e.policy_key, e.statement, e.evidence, cast(null as bigint) as hub_key, cast(null as bigint) as far_policy_key,
           cast(null as varchar) as far_statement, cast(null as varchar) as far_evidence
    from pairs p
    join access_edges e
      on e.from_key = p.from_key and e.to_key = p.to_key
    union all
    select p.from_key, p.to_key, p.is_rewriting_wanted, coalesce(n.kind, f.kind),
           case when n.certainty = 'definite' then f.certainty
                when f.certainty = 'potential' then f.certainty
                else n.certainty end,
           coalesce(n.is_rewriting, false) or coalesce(f.is_rewriting, false),
           coalesce(n.path_id, f.path_id), coalesce(n.resource_key, f.resource_key),
           n.policy_key, n.statement, n.evidence, n.to_key, f.policy_key, f.statement, f.evidence
    from pairs p
    join access_edges n
      on n.from_key = p.from_key and n.to_key < 0
    join access_edges f
      on f.from_key = n.to_key and f.to_key = p.to_key
),
ranked as (
    select w.*,
           count(*) over (partition by w.from_key, w.to_key, w.is_rewriting_wanted) as ways,
           row_number() over (
               partition by w.from_key, w.to_key, w.is_rewriting_wanted
               order by case when w.is_rewriting_wanted and w.is_rewriting then 0 else 1 end,
                        case w.certainty when 'definite' then 0 when 'conditional' then 1 else 2 end,
                        case when w.is_rewriting then 1 else 0 end,
                        w.path_id nulls first, w.kind, w.resource_key, w.policy_key, w.hub_key desc, w.far_policy_key,
                        w.statement, w.far_statement, w.evidence, w.far_evidence
           ) as rank
    from ways w
)
select r.from_key, r.to_key, r.is_rewriting_wanted, r.kind, r.certainty, coalesce(r.is_rewriting, false) as is_rewriting,
       r.path_id, h.name as through, r.ways - 1 as other_ways,
       s.resource_id, s.provider as resource_provider, s.kind as resource_kind, s.name as resource_name,
       s.native_id as resource_native_id, s.region as resource_region,
       n.policy_id, n.provider as policy_provider, n.kind as policy_kind, n.name as policy_name,
       n.native_id as policy_native_id, r.statement, r.evidence,
       f.policy_id as far_policy_id, f.provider as far_policy_provider, f.kind as far_policy_kind,
       f.name as far_policy_name, f.native_id as far_policy_native_id, r.far_statement, r.far_evidence
from ranked r
left join access_hubs h
  on h.hub_key = r.hub_key
left join resources s
  on s.resource_key = r.resource_key
left join policies n
  on n.policy_key = r.policy_key
left join policies f
  on f.policy_key = r.far_policy_key
where r.rank = 1
