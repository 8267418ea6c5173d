-- Identities that may call sts:AssumeRole: a policy of theirs speaks of it, or a trust policy names them.
create or replace temp table aws_callers as
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
    where t.principal like 'arn:%:sts::%:assumed-role/%'
) c
join identities i on i.identity_key = c.identity_key
where i.provider = 'aws'
  and i.kind <> 'group';
