-- Stored secrets that a partner could read whose contract has ended, or may have. What an engine makes anew for each reader is
-- nobody's knowledge. How a partner could read one: it is named as the partner's, its own policy lets the partner in, a statement
-- of one of the partner's identities names it, or such an identity may read every secret of the store.
with secrets as (
    select
        r.resource_key,
        r.resource_id,
        r.provider,
        r.tenant_id,
        r.kind,
        r.name,
        r.native_id,
        r.partner_id,
        r.partner_evidence,
        s.created_at,
        case when s.rotated_at > s.updated_at or s.updated_at is null then s.rotated_at else s.updated_at end as changed_at,
        s.last_used_at,
        s.is_rotated
    from stored_secrets s
    join resource_facts r on r.resource_key = s.resource_key
    where r.kind <> 'secret_field'
        and not (coalesce(s.is_rotated, false) and s.updated_at is null and s.rotated_at is null)
),
gone as (
    select
        p.partner_id,
        p.name,
        p.is_ended,
        p.ended_at
    from partner_facts p
    where coalesce(p.is_ended, true)
        or p.partner_id in (select t.partner_id from partner_tenants t where coalesce(t.is_ended, true))
),
readers as (
    select distinct
        f.tenant_id,
        f.provider,
        a.partner_id,
        f.name,
        p.scope,
        p.certainty,
        p.statement
    from gone g
    join identity_partners a on a.partner_id = g.partner_id
    join identity_facts f on f.identity_key = a.identity_key
    join privileges p on p.identity_key = a.identity_key
    where a.verdict = 'asserted'
        and a.role <> 'beneficiary'
        and f.tenant_id in (select s.tenant_id from secrets s)
        and p.verb = 'read-secret'
        and p.certainty in ('definite', 'conditional')
),
-- the store is told by the statement: a right to decrypt everything reads no secret
broad as (
    select
        r.tenant_id,
        r.partner_id,
        case
            when r.provider <> 'aws' then 'any'
            when lower(r.statement) like '%"action":"*"%' or lower(r.statement) like '%"action":["*"]%'
                or lower(r.statement) like '%"notaction"%' then 'any'
            when lower(r.statement) like '%secretsmanager:%' then 'secret'
            when lower(r.statement) like '%ssm:%' then 'parameter'
            else 'none'
        end as store,
        min(r.name) as name,
        min(case r.certainty when 'definite' then 0 else 1 end) as is_unsure
    from readers r
    where r.scope in ('all', 'environment')
    group by 1, 2, 3
),
links as (
    select
        s.resource_key,
        s.partner_id,
        1 as strength,
        0 as is_unsure,
        s.partner_evidence as how
    from secrets s
    join gone g on g.partner_id = s.partner_id
    union all
    select
        s.resource_key,
        coalesce(f.partner_id, o.partner_id),
        2,
        case when g.has_other_conditions then 1 else 0 end,
        'its own policy lets ' || coalesce(f.name, 'account ' || g.account) || ' read it'
    from secrets s
    join grants g on g.resource_key = s.resource_key
    left join identity_facts f on f.identity_key = g.identity_key
    left join integration_facts o on o.tenant_id = g.tenant_id and o.kind = 'account' and o.name = g.account
    where coalesce(f.partner_id, o.partner_id) is not null
        and (lower(g.permission) like '%:get%' or lower(g.permission) like '%:batchget%' or g.permission like '%*%')
    union all
    select
        s.resource_key,
        r.partner_id,
        3,
        case r.certainty when 'definite' then 0 else 1 end,
        r.name || ' is allowed it by name: ' || r.statement
    from readers r
    join secrets s on s.tenant_id = r.tenant_id
    where r.provider = 'aws'
        and r.scope in ('single', 'set')
        and (
            -- names hold signs that LIKE would take for wildcards
            replace(r.statement, ':secret:' || s.name || '"', '') <> r.statement
            or replace(r.statement, ':secret:' || s.name || '*"', '') <> r.statement
            or replace(r.statement, ':secret:' || s.name || '-*"', '') <> r.statement
            or replace(r.statement, ':secret:' || s.name || '-??????"', '') <> r.statement
            or replace(r.statement, s.native_id || '"', '') <> r.statement
            or replace(r.statement, ':parameter' || s.name || '"', '') <> r.statement
            or replace(r.statement, ':parameter/' || s.name || '"', '') <> r.statement
        )
    union all
    select
        s.resource_key,
        b.partner_id,
        4,
        b.is_unsure,
        b.name || ' may read every secret of the store'
    from broad b
    join secrets s on s.tenant_id = b.tenant_id and (b.store = 'any' or b.store = s.kind)
),
dated as (
    select
        s.*,
        l.partner_id as reader_id,
        l.strength,
        l.how,
        l.is_unsure,
        g.name as reader,
        case when t.partner_id is not null then t.is_ended else g.is_ended end as is_ended,
        case when t.partner_id is not null then t.ended_at else g.ended_at end as ended_at,
        t.reason
    from links l
    join secrets s on s.resource_key = l.resource_key
    join gone g on g.partner_id = l.partner_id
    left join partner_tenants t on t.partner_id = l.partner_id and t.tenant_id = s.tenant_id
),
judged as (
    select
        d.*,
        case
            when d.changed_at >= d.ended_at or d.created_at >= d.ended_at or d.ended_at >= $rotate_hours_before then 9
            when d.is_ended is null or d.ended_at is null then 5
            when d.changed_at is null then 4
            when d.is_unsure = 1 then 3
            else 1
        end as rank
    from dated d
    where coalesce(d.is_ended, true)
),
placed as (
    select
        j.*,
        row_number() over (
            partition by j.resource_key
            order by j.rank, j.strength, j.ended_at desc, j.reader_id, j.how
        ) as place
    from judged j
),
days as (
    select c.partner_id, c.tenant_id, max(c.contract_last_day) as contract_last_day
    from identity_facts c
    where c.contract_is_ended
    group by c.partner_id, c.tenant_id
)
select
    p.resource_id as subject_id,
    p.tenant_id,
    case p.rank when 1 then 'fail' when 9 then 'pass' else 'unknown' end as outcome,
    case p.strength when 4 then 'medium' else 'high' end as severity,
    p.kind,
    p.name as secret,
    p.native_id,
    p.reader as partner,
    p.how as how_it_could_read_it,
    p.changed_at as changed,
    p.created_at as created,
    coalesce(cast(cast(y.contract_last_day as date) as varchar), 'the day before ' || cast(cast(p.ended_at as date) as varchar))
        as contract_last_day,
    case when p.last_used_at > p.ended_at then p.last_used_at end as read_since,
    p.is_rotated as rotated_by_the_store,
    p.reason as contract_state,
    case p.rank
        when 5 then 'the end of its contract is not known'
        when 4 then 'the store does not say when the value changed'
        else 'a condition decides whether it could read it'
    end as open_question
from placed p
left join days y on y.partner_id = p.reader_id and y.tenant_id = p.tenant_id
where p.place = 1
