-- Partners' identities whose sign-ins of late are in a log. A burst is one of an identity, or one network's on several identities of
-- a partner: that one is told of the identity that was let in after it, else of the one that was tried most, not of each.
with tries as (
    select
        s.identity_key,
        f.partner_id,
        s.network,
        s.occurred_at,
        s.minute,
        case when s.is_success then 1 else 0 end as is_in,
        case when s.is_success then 0 else 1 end as is_refused
    from sign_ins s
    join identity_facts f on f.identity_key = s.identity_key
    where s.occurred_at >= $recent_days_before
        and s.is_success is not null
        and f.is_partner_related
        and f.is_enabled
        and not coalesce(f.is_provider_owned, false)
),
counted as (
    select
        t.identity_key,
        t.occurred_at,
        t.is_refused,
        sum(t.is_refused) over (
            partition by t.identity_key
            order by t.minute
            range between coalesce($window_minutes, 0) preceding and current row
        ) as refusals,
        min(case when t.is_in = 1 then t.occurred_at end) over (
            partition by t.identity_key
            order by t.minute
            range between current row and coalesce($follow_minutes, 0) following
        ) as in_at
    from tries t
),
bursts as (
    select
        c.*,
        row_number() over (
            partition by c.identity_key
            order by case when c.in_at is null then 1 else 0 end, c.refusals desc, c.occurred_at desc
        ) as place
    from counted c
    where c.is_refused = 1
        and c.refusals >= $refused
),
-- each try lies in its own stretch of minutes and in the next, so that what ends in a stretch finds all that came before it
stretches as (
    select
        t.*,
        floor(t.minute / greatest($window_minutes, 1)) as stretch
    from tries t
    where t.network is not null
        and t.partner_id is not null
    union all
    select
        t.*,
        floor(t.minute / greatest($window_minutes, 1)) + 1 as stretch
    from tries t
    where t.network is not null
        and t.partner_id is not null
),
ends as (
    select distinct
        t.network,
        t.partner_id,
        t.minute,
        floor(t.minute / greatest($window_minutes, 1)) as stretch
    from tries t
    where t.is_refused = 1
        and t.network is not null
        and t.partner_id is not null
),
sprays as (
    select
        e.network,
        e.partner_id,
        e.minute,
        count(distinct case when s.is_refused = 1 then s.identity_key end) as tried,
        row_number() over (
            partition by e.network, e.partner_id
            order by count(distinct case when s.is_refused = 1 then s.identity_key end) desc, e.minute desc
        ) as place
    from ends e
    join stretches s on s.network = e.network and s.partner_id = e.partner_id and s.stretch = e.stretch
    where s.minute between e.minute - $window_minutes and e.minute
    group by e.network, e.partner_id, e.minute
    having count(distinct case when s.is_refused = 1 then s.identity_key end) >= $identities_of_a_partner
        and count(distinct case when s.is_refused = 1 then s.identity_key end)
        > count(distinct case when s.is_in = 1 then s.identity_key end)
),
sprayed as (
    select
        t.identity_key,
        p.network,
        p.partner_id,
        p.tried,
        max(case when t.is_refused = 1 then t.occurred_at end) as occurred_at,
        min(case when t.is_in = 1 then t.occurred_at end) as in_at,
        sum(t.is_refused) as refusals
    from sprays p
    join tries t on t.network = p.network and t.partner_id = p.partner_id
    where p.place = 1
        and (
            (t.is_refused = 1 and t.minute between p.minute - $window_minutes and p.minute)
            or (t.is_in = 1 and t.minute between p.minute and p.minute + $follow_minutes)
        )
    group by t.identity_key, p.network, p.partner_id, p.tried
    having sum(t.is_refused) > 0
),
told as (
    select
        s.*,
        row_number() over (
            partition by s.network, s.partner_id
            order by case when s.in_at is null then 1 else 0 end, s.refusals desc, s.identity_key
        ) as place,
        row_number() over (
            partition by s.identity_key
            order by case when s.in_at is null then 1 else 0 end, s.tried desc, s.network
        ) as place_of_identity
    from sprayed s
),
seen as (
    select distinct identity_key
    from tries
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when b.identity_key is not null or t.identity_key is not null then 'fail'
        when l.has_holes or l.history_from > $recent_days_before then 'unknown'
        when l.tenant_id is not null and l.history_from is null then 'unknown'
        else 'pass'
    end as outcome,
    case when coalesce(b.in_at, t.in_at) is not null then 'high' else 'medium' end as severity,
    f.name as identity,
    f.kind,
    f.native_id,
    case
        when b.identity_key is not null
            then 'was refused ' || cast(b.refusals as varchar) || ' times within '
                || cast($window_minutes as varchar) || ' minutes'
        else 'and ' || cast(t.tried - 1 as varchar) || ' other identities of ' || coalesce(f.partner_name, f.partner_id)
            || ' were refused to the network ' || t.network || ' within ' || cast($window_minutes as varchar) || ' minutes'
    end as what,
    coalesce(b.occurred_at, t.occurred_at) as seen,
    case
        when b.identity_key is not null and b.in_at is not null then ', and then let in'
        when b.identity_key is null and t.in_at is not null then ', and ' || f.name || ' was then let in'
        else ''
    end as after,
    case
        when l.has_holes then 'the log of sign-ins has holes'
        when l.history_from > $recent_days_before
            then 'the log of sign-ins reaches back only to ' || substr(cast(l.history_from as varchar), 1, 10)
        when l.tenant_id is not null and l.history_from is null then 'nobody knows how far back the log of sign-ins reaches'
    end as doubt,
    coalesce(b.in_at, t.in_at) as let_in_at,
    f.level
from seen s
join identity_facts f on f.identity_key = s.identity_key
left join bursts b on b.identity_key = f.identity_key and b.place = 1
left join told t
    on t.identity_key = f.identity_key
    and t.place_of_identity = 1
    and (t.place = 1 or t.in_at is not null)
left join log_reach l on l.tenant_id = f.tenant_id and l.log = 'sign_ins'
