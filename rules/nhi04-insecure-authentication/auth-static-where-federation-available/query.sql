-- Live static keys of which something says where they are used: a log of calls, or the text of a workload in which they stand.
-- A platform of the provider's own hands out roles; any other needs an issuer that one of our tenants accepts tokens from. Apps of
-- Salesforce sign in by a secret or by a certificate (JWT bearer), as they like.
-- Sources of the agents: botocore puts AWS_EXECUTION_ENV into its user agent as exec-env/…; aws-actions/configure-aws-credentials names itself.
with platforms as (
    select 'GitHub Actions' as platform, '%github-actions%' as agent, '%actions.githubusercontent.com%' as issuer
    union all
    select 'AWS Lambda', '%exec-env/aws_lambda%', null
    union all
    select 'Amazon ECS', '%exec-env/aws_ecs%', null
),
keys as (
    select
        c.credential_id,
        c.tenant_id,
        c.provider,
        c.kind,
        c.native_id,
        c.identity_name,
        c.environment,
        c.level,
        c.created_at,
        c.partner_name
    from credential_facts c
    where c.is_live
        and c.kind in $static_kinds
        and not coalesce(c.is_provider_owned, false)
),
called as (
    select
        u.credential_id,
        lower(u.user_agent) as agent,
        max(u.occurred_at) as last_at
    from usage u
    where u.credential_id is not null
        and u.outcome = 'success'
        and u.occurred_at >= $lookback_days_before
    group by u.credential_id, lower(u.user_agent)
),
signed_in as (
    select
        i.identity_key,
        i.app,
        max(i.occurred_at) as last_at
    from sign_ins i
    where i.is_success
        and i.flow = 'client_credentials'
        and i.occurred_at >= $lookback_days_before
    group by i.identity_key, i.app
),
seen as (
    select
        k.credential_id,
        p.platform,
        p.issuer,
        'called lately by ' || c.agent as evidence,
        c.last_at,
        case when p.platform is null then 0 else 1 end as is_known
    from keys k
    join called c on c.credential_id = k.credential_id
    left join platforms p on c.agent like p.agent and (p.issuer is not null or k.provider = 'aws')
    union all
    select
        k.credential_id,
        case
            when s.where_kind = 'ci_variable' then 'a pipeline of ' || s.provider
            when r.provider = k.provider and r.kind in $workloads then 'a workload (' || r.kind || ' ' || r.name || ')'
        end,
        case
            when s.where_kind <> 'ci_variable' then null
            when s.provider = 'github' then '%actions.githubusercontent.com%'
            when s.provider = 'gitlab' then '%gitlab%'
            else ''
        end,
        'it stands in ' || s.location,
        cast(null as timestamp),
        case when s.where_kind = 'ci_variable' or (r.provider = k.provider and r.kind in $workloads) then 1 else 0 end
    from keys k
    join secret_places s on s.credential_id = k.credential_id
    left join resource_facts r on r.resource_id = s.resource_id
    where s.where_kind in ('environment', 'user_data', 'ci_variable')
),
weighed as (
    select
        s.credential_id,
        s.platform,
        s.evidence,
        s.last_at,
        case
            when s.is_known = 0 then 3
            when s.issuer is null then 1
            when min(i.issuer) is not null then 1
            else 2
        end as rank,
        case
            when s.issuer is null then 'it can be given a role of its own'
            when min(i.issuer) is not null then 'tokens of ' || min(i.issuer) || ' are accepted already'
            else 'no issuer of its tokens is registered in this tenant'
        end as alternative
    from seen s
    join keys k on k.credential_id = s.credential_id
    left join issuers i on i.tenant_id = k.tenant_id and lower(i.issuer) like s.issuer
    group by s.credential_id, s.platform, s.evidence, s.last_at, s.is_known, s.issuer
),
placed as (
    select
        w.*,
        row_number() over (partition by w.credential_id order by w.rank, w.last_at desc, w.platform, w.evidence) as place
    from weighed w
)
select
    k.credential_id as subject_id,
    k.tenant_id,
    case p.rank when 1 then 'fail' when 2 then 'unknown' else 'pass' end as outcome,
    case when k.environment = 'prod' and k.level >= 4 then 'high' else 'medium' end as severity,
    k.kind,
    k.native_id,
    k.identity_name as identity,
    p.platform,
    p.alternative,
    p.evidence as seen,
    p.last_at as last_seen_so,
    k.created_at as created,
    k.partner_name as partner
from placed p
join keys k on k.credential_id = p.credential_id
where p.place = 1
union all
-- A user whom an app signed in with a secret: for the tokens that it holds of him it could sign with a certificate.
select
    c.credential_id,
    c.tenant_id,
    'fail',
    case when c.environment = 'prod' and c.level >= 4 then 'high' else 'medium' end,
    c.kind,
    c.native_id,
    c.identity_name,
    coalesce(c.app_name, 'an app') || ' with a secret of its own',
    case
        when ',' || replace(a.flows, ' ', '') || ',' like '%,jwt_bearer,%' then 'it may sign with a certificate already'
        else 'it can be given a certificate to sign with (JWT bearer)'
    end,
    'the sign-in log names the client credentials flow',
    s.last_at,
    c.created_at,
    c.partner_name
from credential_facts c
join signed_in s on s.identity_key = c.identity_key and s.app = c.app_name
left join app_facts a on a.identity_id = c.app_id
where c.is_live
    and c.provider = 'salesforce'
    and c.kind = 'oauth_token'
    and not coalesce(c.is_provider_owned, false)
