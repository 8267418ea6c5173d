-- auth_roles of the AWS method -> access_edges: the users and roles of AWS whom a vault lets log in by their ARN. Whoever
-- calls sts:GetCallerIdentity for it needs no permission. A pattern is a hub.
create or replace temp table vault_logins as
with named as (
    select
        a.identity_key,
        a.mount,
        unnest(regexp_extract_all(a.bound_claims, '(?:^|, )bound_iam_principal_arn=([^,]*)', 1)) as arn,
        -- what else is asked is not weighed
        coalesce(a.bound_networks, '') <> ''
        or regexp_matches(a.bound_claims, '(^|, )bound_(ami|vpc|subnet|region|iam_role|iam_instance|ec2)') as is_bound
    from auth_roles a
    where a.method = 'aws'
)
select
    n.identity_key as role_key,
    n.arn,
    case when n.is_bound then 'conditional' else 'definite' end as certainty,
    'the AWS login of ' || n.mount || ' lets in ' || n.arn as evidence,
    ends_with(n.arn, '*') as is_pattern
from named n
where n.arn <> '';

create or replace temp table vault_login_hubs as
select
    arn,
    (select least(coalesce(min(hub_key), 0), 0) from access_hubs) - row_number() over (order by arn) as hub_key
from (select distinct arn from vault_logins where is_pattern);

insert into access_hubs
select hub_key, 'log in to a vault as ' || arn
from vault_login_hubs;

insert into access_edges by name
select i.identity_key as from_key, l.role_key as to_key, 'may-assume' as kind, l.certainty, false as is_rewriting, l.evidence
from vault_logins l
join identities i on i.native_id = l.arn and i.provider = 'aws'
where not l.is_pattern
union all
select i.identity_key, h.hub_key, 'may-assume', 'definite', false, null
from vault_login_hubs h
join identities i
    on i.provider = 'aws'
    and i.kind <> 'group'
    and starts_with(i.native_id, left(h.arn, length(h.arn) - 1))
union all
select h.hub_key, l.role_key, 'may-assume', l.certainty, false, l.evidence
from vault_logins l
join vault_login_hubs h on h.arn = l.arn
where l.is_pattern;

drop table vault_logins;
drop table vault_login_hubs;
