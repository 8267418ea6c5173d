-- Rights of users -> rights of the apps that hold their live tokens; a row that a wider and surer one of its verb includes is left out
create or replace temp table app_rows as
with lent as (
    select h.app_key, p.identity_key as user_key, p.verb, p.scope, p.certainty, p.level, p.statement, h.sure, h.most
    from held_tokens h
    join privileges p on p.identity_key = h.user_key
    where p.verb not in ('none', 'escalate')
        and h.most >= 2
    union all
    -- an administrator reads and changes all data
    select h.app_key, p.identity_key, d.verb, p.scope, p.certainty, d.level, p.statement, h.sure, h.most
    from held_tokens h
    join privileges p on p.identity_key = h.user_key
    cross join (values ('read-data', 3), ('write-data', 4)) d (verb, level)
    where p.verb = 'admin'
        and h.most >= 2
),
weighed as (
    select
        app_key,
        user_key,
        verb,
        scope,
        list_position(['self', 'single', 'set', 'environment', 'all'], scope) as width,
        level,
        statement,
        least(
            case certainty when 'definite' then 2 when 'conditional' then 1 else 0 end,
            case
                when sure = 3 or sure = 2 and verb in ('read-data', 'write-data', 'export-data', 'read-config', 'unknown') then 2
                else 0
            end
        ) as weight
    from lent
    where most = 3
        or verb in ('read-data', 'write-data', 'export-data', 'read-config', 'unknown')
)
select
    app_key,
    verb,
    scope,
    width,
    level,
    weight,
    min(user_key) as user_key,
    count(distinct user_key) as users,
    arg_min(statement, (user_key, statement)) as statement
from weighed
group by app_key, verb, scope, width, level, weight, verb = 'unknown' and statement is null;

delete from privileges
where verb = 'none'
    and identity_key in (select app_key from app_rows);

insert into privileges
select
    r.app_key,
    r.verb,
    r.scope,
    ['potential', 'conditional', 'definite'][r.weight + 1],
    r.level,
    null,
    r.user_key,
    r.statement,
    'by its live token of ' || u.name
        || case when r.users > 1 then ' and of ' || (r.users - 1) || ' more users' else '' end
from app_rows r
join identities u on u.identity_key = r.user_key
where not exists (
    select 1
    from app_rows o
    where o.app_key = r.app_key
        and o.verb = r.verb
        and o.verb <> 'unknown'
        and o.width >= r.width
        and o.weight >= r.weight
        and (o.width, o.weight, coalesce(o.level, -1)) <> (r.width, r.weight, coalesce(r.level, -1))
        and coalesce(o.level = r.level or o.level = 5 or o.level > r.level, o.level is null and r.level is null)
);

-- where not all tokens were read, an app may act as anybody
insert into privileges
select i.identity_key, 'unknown', 'all', 'potential', null, null, null, null, 'not read completely: credentials'
from identities i
where i.kind = 'oauth_app'
    and i.tenant_id not in (
        select tenant_id
        from coverage
        where dataset = 'credentials'
        group by tenant_id
        having bool_and(coalesce(original_status, status) in ('complete', 'not_applicable'))
    )
    and exists (select 1 from privileges p where p.identity_key = i.identity_key);

drop table app_rows
