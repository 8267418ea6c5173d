-- vault_rows (one row a combination and privilege) -> privileges (one row an identity and privilege)
insert into privileges
select
    h.identity_key,
    r.verb,
    r.scope,
    r.certainty,
    r.level,
    r.policy_key,
    b.via_key,
    r.statement,
    r.considered
from vault_rows r
-- the holders of a combination part where what they may do depends on values of their entities
join vault_parts p on p.part = r.part
join vault_holders h
    on h.combination = p.combination
    and (p.is_all or p.entity_key is not distinct from h.entity_key)
left join vault_bound b
    on b.identity_key = h.identity_key
    and b.policy_key = r.policy_key;
