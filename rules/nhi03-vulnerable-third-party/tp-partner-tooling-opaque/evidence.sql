-- What it was used with and from where, the ten most frequent.
with used as (
    select
        c.identity_id,
        s.program,
        s.network,
        sum(s.uses) as uses
    from credential_sources s
    join credential_facts c on c.credential_id = s.credential_id
    where s.last_used_at >= $window_days_before
    group by c.identity_id, s.program, s.network
    union all
    select
        n.identity_id,
        n.device,
        n.network,
        count(*)
    from sign_ins n
    where n.is_success
        and n.occurred_at >= $window_days_before
    group by n.identity_id, n.device, n.network
),
ranked as (
    select
        u.*,
        row_number() over (partition by u.identity_id order by u.uses desc, u.program, u.network) as place
    from used u
)
select
    r.identity_id as subject_id,
    'used with, ' || cast(r.uses as varchar) || ' times' as label,
    coalesce(r.program, 'program unknown') || ', ' || coalesce(r.network, 'network unknown') as value
from ranked r
where r.place <= 10
