-- Access that a partner's identity got since requests are kept, and the request that speaks best for it. A request without an
-- identity is for whatever its partner got soon after it; one that names the identity counts even when it came afterwards.
delete from access_changes;

insert into access_changes by name
with began as (
    select min(requested_at) as began_at
    from requests
),
changes as (
    select identity_key, 'created' as what, created_at as changed_at from identity_facts
    union
    select identity_key, 'role changed', role_changed_at from identity_facts
    union
    select identity_key, 'right granted', granted_at from grants where identity_key is not null
),
new as (
    select distinct c.identity_key, c.what, c.changed_at, p.partner_id
    from changes c
    join identity_partners p using (identity_key)
    cross join began b
    cross join scans s
    where p.verdict = 'asserted'
        and c.changed_at > b.began_at
        and c.changed_at <= s.as_of
),
answered as (
    select r.request_id, r.partner_id, r.channel, lower(trim(r.identity)) as identity,
        coalesce(r.approved_at, r.requested_at) as asked_at,
        coalesce(q.mail, r.requested_by) as requested_by,
        coalesce(a.mail, r.approved_by) as approved_by,
        case
            when coalesce(trim(r.approved_by), '') = '' then 'nobody approved it'
            when regexp_matches(lower(r.outcome), '^(reject|refus|den(y|ied)|declin|withdr|cancel)') then 'it was ' || lower(r.outcome)
            when coalesce(q.mail, r.requested_by) = coalesce(a.mail, r.approved_by) then 'whoever asked approved it'
        end as problem
    from requests r
    left join owner_answers q on q.text = r.requested_by
    left join owner_answers a on a.text = r.approved_by
    qualify row_number() over (partition by r.request_id order by r.register_row) = 1
),
asked as (
    select *,
        case when problem is null then 0 else 2 end + case when channel in ('email', 'manual') then 1 else 0 end as weakness
    from answered
),
-- what a partner asked for without naming an identity: of each day and weakness one, so that each change meets few of them
for_partner as (
    select partner_id, weakness, asked_at::date as asked_on, min(request_id) as request_id
    from asked
    where coalesce(identity, '') = ''
        and partner_id is not null
        and asked_at is not null
    group by all
),
names as (
    select i.identity_key, unnest([lower(i.identity_id), lower(i.native_id), lower(i.name), lower(i.mail)]) as name
    from identities i
    where i.identity_key in (select identity_key from new)
),
named as (
    select distinct identity_key, name
    from names
    where name <> ''
),
waiting as (
    select n.*, n.changed_at::date as changed_on, w.weakness
    from new n
    cross join (select unnest([0, 1, 2, 3]) as weakness) w
),
candidates as (
    select n.identity_key, n.what, n.changed_at, a.request_id
    from new n
    join named m using (identity_key)
    join asked a on a.identity = m.name and coalesce(a.partner_id, n.partner_id) = n.partner_id
    union all
    select n.identity_key, n.what, n.changed_at, p.request_id
    from waiting n
    asof join for_partner p on p.partner_id = n.partner_id and p.weakness = n.weakness and n.changed_on >= p.asked_on
),
best as (
    select c.identity_key, c.what, c.changed_at, a.*, c.changed_at::date - a.asked_at::date as days_before
    from candidates c
    join asked a using (request_id)
    qualify row_number() over (
        partition by c.identity_key, c.what, c.changed_at
        order by a.weakness, case when days_before < 0 then 1 else days_before end nulls last, a.request_id
    ) = 1
)
select f.identity_key, f.identity_id, n.what, n.changed_at, b.request_id, b.channel, b.requested_by, b.approved_by,
    b.problem, b.days_before
from (select distinct identity_key, what, changed_at from new) n
join identity_facts f using (identity_key)
left join best b using (identity_key, what, changed_at)
order by f.identity_id, n.changed_at, n.what
