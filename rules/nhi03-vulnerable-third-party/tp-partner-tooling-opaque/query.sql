-- Machine identities that a partner operates and that were used of late. Actors are told apart by their programs and not by networks,
-- because one tool in a cloud comes from many addresses. A log with holes shows fewer, never more.
with used as (
    select
        c.identity_key,
        s.program,
        s.network,
        s.uses,
        s.last_used_at
    from credential_sources s
    join credential_facts c on c.credential_id = s.credential_id
    where s.last_used_at >= $window_days_before
    union all
    select
        n.identity_key,
        n.device,
        n.network,
        1,
        n.occurred_at
    from sign_ins n
    where n.is_success
        and n.occurred_at >= $window_days_before
        -- a log of calls tells the same uses in other words
        and n.identity_key not in (
            select c.identity_key
            from credential_sources s
            join credential_facts c on c.credential_id = s.credential_id
            where s.last_used_at >= $window_days_before
        )
),
counted as (
    select
        u.identity_key,
        count(distinct u.program) as programs,
        count(distinct u.network) as networks,
        sum(u.uses) as uses,
        max(u.last_used_at) as last_used_at
    from used u
    group by u.identity_key
),
statements as (
    select distinct a.partner_id
    from attestations a
    where a.kind = 'nhi_inventory'
        and coalesce(a.attested_at <= $as_of, true)
        and (
            a.valid_to >= cast($as_of as date)
            or (a.valid_to is null and a.attested_at >= $statement_days_before)
        )
),
logs as (
    select
        tenant_id,
        max(case when status = 'complete' then 0 else 1 end) as has_holes,
        max(history_from) as history_from
    from coverage
    where dataset in ('usage.logins', 'usage.calls')
    group by tenant_id
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when s.partner_id is not null then 'pass'
        when c.programs > $max_actors then 'fail'
        when l.has_holes = 1 or l.history_from > $window_days_before then 'unknown'
        when c.programs = 0 then 'unknown'
        else 'pass'
    end as outcome,
    f.name as identity,
    f.kind,
    f.native_id,
    f.partner_name as partner,
    c.programs as actors,
    $window_days as window_days,
    case
        when l.has_holes = 1 then 'the log of its use has holes'
        when l.history_from > $window_days_before
            then 'the log of its use reaches back only to ' || substr(cast(l.history_from as varchar), 1, 10)
        when c.programs = 0 then 'the log names no programs'
    end as doubt,
    c.programs,
    c.networks,
    c.uses as recorded_uses,
    c.last_used_at as last_used
from counted c
join identity_facts f on f.identity_key = c.identity_key
left join statements s on s.partner_id = f.partner_id
left join logs l on l.tenant_id = f.tenant_id
where f.partner_id is not null
    and f.partner_role = 'operator'
    and f.is_nhi
    and f.is_enabled
    and not coalesce(f.is_provider_owned, false)
