-- reach -> privileges: whoever gets to an administrator without being one; the first step says why
insert into privileges
with on_the_way as (
    select r.identity_key, r.next_key, r.hops, r.certainty
    from reach r
    where r.goal = 'admin'
      and r.hops > 0
),
firsts as (
    select w.identity_key, w.next_key, w.hops, w.certainty, e.certainty as surety, e.path_id, e.policy_key, e.statement,
           e.evidence
    from on_the_way w
    join access_edges e on e.from_key = w.identity_key and e.to_key = w.next_key
    where e.kind <> 'member-of'
    union all
    select w.identity_key, w.next_key, w.hops, w.certainty, e.certainty, e.path_id, e.policy_key, e.statement, e.evidence
    from on_the_way w
    join access_edges h on h.to_key = w.next_key and h.from_key < 0
    join access_edges e on e.from_key = w.identity_key and e.to_key = h.from_key
),
best as (
    select f.*,
           row_number() over (
               partition by f.identity_key
               order by case f.surety when 'definite' then 0 when 'conditional' then 1 else 2 end, f.path_id nulls last,
                        f.policy_key nulls last, f.evidence, f.statement
           ) as rank
    from firsts f
    where f.certainty <> 'definite'
       or f.surety = 'definite'
)
select b.identity_key, 'escalate', 'all',
       case
           when b.certainty = 'definite' then 'definite'
           -- a sure step to somebody who is only perhaps an administrator is no sure way
           when b.hops = 1 and b.surety <> 'definite' then b.surety
           else 'potential'
       end, 5,
       b.policy_key, cast(null as bigint), b.statement,
       concat_ws('; ', 'path ' || b.path_id || ': ' || t.title, b.evidence,
                 'next ' || n.identity_id || ', hops to an administrator: ' || cast(b.hops as varchar))
from best b
join identities n on n.identity_key = b.next_key
left join path_titles t on t.path_id = b.path_id
where b.rank = 1;
