-- People's accounts with a live token of somebody's app, or a personal one, where the person or the app has to do with a partner.
-- An app that only learns who signs in, and the provider's own, are none. What the app did is told from its own sign-ins, or from the
-- use of its token while nobody signed in.
with tokens as (
    select
        c.identity_key,
        c.credential_id,
        c.kind,
        c.last_used_at,
        case when coalesce(c.last_used_known, false) or c.last_used_at is not null then 1 else 0 end as is_use_known,
        a.name as app,
        case when coalesce(a.is_partner_related, false) then 1 else 0 end as is_partners
    from credential_facts c
    left join identity_facts a on a.identity_id = c.app_id
    left join app_facts s on s.identity_key = a.identity_key
    where c.is_live
        and (c.kind in $personal_kinds or (c.kind = 'oauth_token' and a.identity_key is not null))
        and not coalesce(a.is_provider_owned, false)
        and coalesce(s.gives, 'all') not in ('self', 'none')
),
held as (
    select
        identity_key,
        count(*) as tokens,
        count(distinct app) as apps,
        max(is_partners) as is_partners,
        max(is_use_known) as is_use_known,
        max(last_used_at) as last_used_at,
        min(coalesce(app, 'a program with a personal key')) as first_app
    from tokens
    group by identity_key
),
used_last as (
    select
        identity_key,
        app,
        row_number() over (
            partition by identity_key
            order by case when last_used_at is null then 1 else 0 end, last_used_at desc, credential_id
        ) as place
    from tokens
),
visits as (
    select
        s.identity_key,
        sum(case when s.is_interactive then 1 else 0 end) as by_person,
        sum(case when s.is_interactive = false and (s.app is null or t.app is not null) then 1 else 0 end) as by_program
    from sign_ins s
    join held h on h.identity_key = s.identity_key
    left join (select distinct identity_key, app from tokens) t on t.identity_key = s.identity_key and t.app = s.app
    where s.occurred_at >= $window_days_before
        and s.is_success
    group by s.identity_key
),
leavers as (
    select lower(trim(mail)) as mail
    from people
    where trim(mail) <> ''
    group by lower(trim(mail))
    having min(case
        when lower(status) in ('left', 'leaver', 'inactive', 'departed') or left_on <= cast($as_of as date) then 1
        else 0
    end) = 1
),
weighed as (
    select
        h.*,
        coalesce(v.by_person, 0) as by_person,
        coalesce(v.by_program, 0) as by_program,
        case when h.last_used_at >= $window_days_before then 1 else 0 end as is_used,
        case
            when l.tenant_id is null or l.has_holes then 1
            when coalesce(l.history_from > $window_days_before, true) then 1
            else 0
        end as is_unseen,
        l.history_from
    from held h
    join identity_facts f on f.identity_key = h.identity_key
    left join visits v on v.identity_key = h.identity_key
    left join log_reach l on l.tenant_id = f.tenant_id and l.log = 'sign_ins'
),
judged as (
    select
        w.*,
        case
            when w.by_program >= $min_uses and w.by_program > $api_ratio * (w.by_program + w.by_person) then 1
            else 0
        end as is_mostly_program,
        case when w.by_person = 0 and w.is_used = 1 then 1 else 0 end as is_alone
    from weighed w
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case
        when j.is_unseen = 1 and (j.is_mostly_program = 1 or j.is_alone = 1) then 'unknown'
        when j.is_mostly_program = 1 or j.is_alone = 1 then 'fail'
        when j.is_use_known = 0 and j.by_program = 0 then 'unknown'
        else 'pass'
    end as outcome,
    case when f.is_admin or f.level = 5 or p.mail is not null then 'high' else 'medium' end as severity,
    f.name as identity,
    f.kind,
    f.native_id,
    coalesce(u.app, j.first_app) as app,
    case
        when j.is_alone = 1
            then 'its token was used on ' || substr(cast(j.last_used_at as varchar), 1, 10) || ', and nobody signed in within '
                || cast($window_days as varchar) || ' days'
        else cast(j.by_program as varchar) || ' of ' || cast(j.by_program + j.by_person as varchar) || ' sign-ins within '
            || cast($window_days as varchar) || ' days were a program''s'
    end as how,
    case
        when j.is_mostly_program = 0 and j.is_alone = 0 and j.is_use_known = 0 then 'nothing says when its key was used'
        when j.is_unseen = 1 then 'sign-ins of the person were not read for the whole time'
    end as doubt,
    j.tokens,
    j.apps,
    j.by_person as sign_ins_by_the_person,
    j.by_program as sign_ins_by_a_program,
    j.last_used_at as last_use_of_a_token,
    case when p.mail is not null then 'has left' end as person,
    f.is_admin as is_administrator
from judged j
join identity_facts f on f.identity_key = j.identity_key
join identities i on i.identity_key = f.identity_key
left join used_last u on u.identity_key = f.identity_key and u.place = 1
left join leavers p on p.mail = lower(trim(i.mail))
where f.kind = 'human_user'
    and f.is_nhi = false
    and f.is_enabled
    and not coalesce(f.is_provider_owned, false)
    and (f.is_partner_related or j.is_partners = 1)
