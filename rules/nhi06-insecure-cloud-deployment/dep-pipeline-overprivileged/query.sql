-- Enabled identities that a pipeline uses: by tokens of an issuer of pipelines, or as what a build runs as. One without a label that is
-- strong enough stays open, as it may stand in production. Putting code and reading secrets where a policy names them is what
-- deploying is, and no excess by itself.
with issuers_of as (
    select
        t.identity_key,
        t.issuer,
        replace(replace(lower(t.issuer), 'https://', ''), 'http://', '') as name
    from trusts t
    where t.mechanism = 'oidc'
),
our_issuers as (
    select distinct replace(replace(lower(c.value), 'https://', ''), 'http://', '') as name
    from company c
    where c.kind = 'oidc_issuer'
),
used as (
    select
        i.identity_key,
        'pipelines of ' || i.issuer as pipeline
    from issuers_of i
    left join our_issuers o on replace(o.name || '/', '//', '/') = replace(i.name || '/', '//', '/')
    where o.name is not null
        or i.name in $ci_issuers
        or i.name like 'oidc.circleci.com/org/%'
        or i.name like 'api.bitbucket.org/2.0/workspaces/%'
        or i.name like 'vstoken.dev.azure.com/%'
    union all
    select
        r.runs_as_key,
        r.kind || ' ' || r.name
    from resources r
    where r.runs_as_key is not null
        and r.kind in $build_kinds
),
pipelines as (
    select
        u.identity_key,
        min(u.pipeline) as pipeline,
        count(distinct u.pipeline) as pipelines
    from used u
    group by u.identity_key
),
rights as (
    select
        g.identity_key,
        g.certainty,
        coalesce(g.level, n.level) as level,
        case when g.verb in ('run-code', 'read-secret') and g.scope in ('single', 'set', 'self') then 0 else 1 end as is_excess
    from privileges g
    left join narrow_levels n
        on n.identity_key = g.identity_key
        and n.verb = g.verb
        and g.scope in ('single', 'set', 'self')
),
excess as (
    select
        r.identity_key,
        max(case when r.certainty = 'definite' and r.level is not null then r.is_excess else 0 end) as is_sure,
        max(r.is_excess) as is_possible
    from rights r
    where coalesce(r.level, 5) > $max_pipeline_level
    group by r.identity_key
),
weighed as (
    select
        f.*,
        p.pipeline,
        p.pipelines,
        case when f.is_admin or f.admin_hops is not null then 1 else 0 end as gets_admin,
        case
            when f.is_admin or f.admin_hops is not null then 1
            when f.level > $max_pipeline_level and coalesce(x.is_sure, 1) = 1 then 1
            else 0
        end as is_strong,
        case
            when f.is_admin is null then 1
            when f.level_high is null or f.level_high > $max_pipeline_level then coalesce(x.is_possible, 1)
            else 0
        end as may_be_strong
    from pipelines p
    join identity_facts f on f.identity_key = p.identity_key
    left join excess x on x.identity_key = p.identity_key
    where f.is_enabled
        and not coalesce(f.is_provider_owned, false)
)
select
    w.identity_id as subject_id,
    w.tenant_id,
    case
        when w.environment = 'prod' and w.is_strong = 1 then 'fail'
        when w.environment = 'prod' and w.may_be_strong = 1 then 'unknown'
        when w.environment is null and (w.is_strong = 1 or w.may_be_strong = 1) then 'unknown'
        else 'pass'
    end as outcome,
    case when w.gets_admin = 1 then 'critical' else 'high' end as severity,
    w.name as identity,
    w.kind,
    case when w.pipelines > 1 then w.pipeline || ' and ' || cast(w.pipelines - 1 as varchar) || ' more' else w.pipeline end as pipeline,
    case
        when w.is_admin then 'is an administrator'
        when w.gets_admin = 1 then 'becomes an administrator'
        else 'holds level ' || cast(w.level as varchar)
    end as how,
    case
        when w.environment is null then 'it has no label'
        else 'some of its rights could not be decided'
    end as doubt,
    w.level,
    w.admin_evidence,
    w.admin_next_id as next_identity_on_the_path
from weighed w
