-- Rights of the scanner's own identities that reading an inventory does not need.
select
    i.identity_id,
    p.verb,
    p.scope,
    p.certainty,
    min(p.statement)
from scanners s
join identities i on i.identity_id = s.identity_id
join privileges p on p.identity_key = i.identity_key
where p.verb not in ('read-config', 'none')
    and coalesce(p.level, 5) >= 2
group by i.identity_id, p.verb, p.scope, p.certainty
order by i.identity_id, max(p.level) desc nulls first, p.verb, p.scope, p.certainty
