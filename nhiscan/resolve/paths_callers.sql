-- AWS identities from which an edge may lead: a policy of theirs speaks of it, a trust names them, or one in their account
-- lets everybody in.
select distinct i.identity_key
from (
    select b.identity_key
    from policy_bindings b
    join aws_speaking s on s.policy_key = b.policy_key
    where b.role = 'identity'
    union all
    select m.identity_key
    from memberships m
    join policy_bindings b on b.identity_key = m.group_key and b.role = 'identity'
    join aws_speaking s on s.policy_key = b.policy_key
    union all
    select n.identity_key
    from identities n
    join trusts t on t.principal = n.native_id
    where t.mechanism = 'assume_role'
    union all
    select n.identity_key
    from identities n
    join trusts t on t.account = split_part(n.tenant_id, ':', 2) and split_part(t.principal, '/', 2) = n.name
    where t.mechanism = 'assume_role'
      and t.principal like 'arn:%:sts::%:assumed-role/%'
    union all
    select n.identity_key
    from identities n
    join (
        select distinct tenant_id
        from trusts
        where mechanism = 'assume_role'
          and principal_kind = 'any'
    ) o on o.tenant_id = n.tenant_id
) c
join identities i on i.identity_key = c.identity_key
where i.provider = 'aws'
  and i.kind <> 'group'
