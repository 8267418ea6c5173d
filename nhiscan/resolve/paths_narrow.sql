-- Where rights over named identities lead: the strongest of those whom they surely reach. No row where a less sure step leads
-- higher, where the targets may lie in what was not read (narrow_open), or where nobody draws edges.
insert into narrow_levels
with kinds(verb, kind) as (
    values ('impersonate', 'may-assume'),
           ('impersonate', 'token-create'),
           ('impersonate', 'runs-as'),
           ('delegate', 'may-pass'),
           ('manage-policy', 'may-change'),
           ('manage-trust', 'may-change'),
           ('manage-identity', null)
),
asked as (
    select distinct p.identity_key, p.verb
    from privileges p
    join identities i on i.identity_key = p.identity_key
    where p.level is null
      and p.scope in ('set', 'single', 'self')
      and p.verb in (select verb from kinds)
      and i.provider = 'aws'
),
strengths as (
    select p.identity_key,
           max(case when p.certainty = 'definite' then coalesce(p.level, 0) else 0 end) as low,
           max(case when p.verb = 'unknown' and p.statement is null then 5 else coalesce(p.level, 0) end) as high
    from privileges p
    group by p.identity_key
),
ends as (
    select i.identity_key,
           case when r.certainty = 'definite' then 5 else coalesce(s.low, 0) end as low,
           case when r.certainty is not null then 5 else coalesce(s.high, 5) end as high
    from identities i
    left join strengths s on s.identity_key = i.identity_key
    left join reach r on r.identity_key = i.identity_key and r.goal = 'admin'
),
steps_to as (
    select e.from_key, e.to_key, e.kind,
           case when e.certainty <> 'definite' then 0 when e.is_rewriting then 5 else t.low end as low,
           case when e.is_rewriting then 5 else t.high end as high
    from access_edges e
    join ends t on t.identity_key = e.to_key
    where e.kind in (select kind from kinds)
),
through as (
    select h.from_key, h.kind, max(h.low) as low, max(h.high) as high
    from steps_to h
    where h.from_key < 0
    group by h.from_key, h.kind
),
led as (
    select s.from_key, s.kind, s.low, s.high
    from steps_to s
    where s.from_key >= 0
    union all
    select e.from_key, e.kind, t.low, t.high
    from access_edges e
    join through t on t.from_key = e.to_key and t.kind = e.kind
    where e.from_key >= 0
),
found as (
    select a.identity_key, a.verb, coalesce(max(l.low), 0) as low, coalesce(max(l.high), 0) as high
    from asked a
    join kinds k on k.verb = a.verb
    left join led l on l.from_key = a.identity_key and l.kind = k.kind
    group by a.identity_key, a.verb
)
select f.identity_key, f.verb, f.low
from found f
left join narrow_open o on o.identity_key = f.identity_key and o.verb = f.verb
where o.identity_key is null
  and f.high <= f.low;
