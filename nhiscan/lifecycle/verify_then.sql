-- was_held -> was_then: what earlier scans held against the partner and this one does not, with what is left of it
create or replace temp table was_then as
with missing as (
    select w.*
    from was_held w
    where w.action <> 'rotate_shared_secret'
        and not exists (
            select 1
            from partner_holdings h
            where h.partner_id = $partner
                and h.thing_kind = w.thing_kind
                and h.thing_id = w.thing_id
        )
),
-- what shows things of a kind
shown_by as (
    select *
    from (values
        ('identity', 'identities'), ('app', 'identities'), ('credential', 'credentials'), ('trust', 'trusts'), ('grant', 'grants'),
        ('membership', 'memberships'), ('workload', 'workloads')
    ) t (thing_kind, dataset)
),
there as (
    select m.thing_kind, m.thing_id, f.has_access as is_live
    from missing m
    join identity_facts f on f.identity_id = m.thing_id
    where m.thing_kind in ('identity', 'app')
    union all
    select m.thing_kind, m.thing_id, i.status = 'enabled'
    from missing m
    join identities i on i.identity_id = m.thing_id
    where m.thing_kind = 'identity'
        and i.kind in ('group', 'entity')
    union all
    select m.thing_kind, m.thing_id, c.is_live
    from missing m
    join credential_facts c on c.credential_id = m.thing_id
    where m.thing_kind = 'credential'
    union all
    select m.thing_kind, m.thing_id, i.status = 'enabled'
    from missing m
    join trusts t on t.trust_id = m.thing_id
    join identities i on i.identity_key = t.identity_key
    where m.thing_kind = 'trust'
    union all
    select m.thing_kind, m.thing_id, coalesce(g.expires_at > s.as_of, true)
    from missing m
    join grants g on g.grant_id = m.thing_id
    cross join scans s
    where m.thing_kind = 'grant'
    union all
    select m.thing_kind, m.thing_id, f.has_access
    from missing m
    join identities i on i.identity_id = split_part(m.thing_id, ' in ', 1)
    join identities g on g.identity_id = split_part(m.thing_id, ' in ', 2)
    join memberships b on b.identity_key = i.identity_key and b.group_key = g.identity_key
    left join identity_facts f on f.identity_key = i.identity_key
    where m.thing_kind = 'membership'
    union all
    select m.thing_kind, m.thing_id, true
    from missing m
    join resources r on r.resource_id = m.thing_id
    where m.thing_kind = 'workload'
)
select m.*,
    case
        when t.is_live is not false and t.thing_id is not null then 'disowned'
        when t.thing_id is not null then 'gone'
        when c.tenant_id is null then 'unread'
        else 'gone'
    end as state,
    case when t.thing_id is not null then 'is there, and opens nothing' else 'is not there any more' end as now
from missing m
left join (
    select thing_kind, thing_id, case when bool_or(is_live) then true when count(*) = count(is_live) then false end as is_live
    from there
    group by thing_kind, thing_id
) t using (thing_kind, thing_id)
left join shown_by b on b.thing_kind = m.thing_kind
left join read_now c on c.tenant_id = m.tenant_id and c.dataset = b.dataset
