-- Enabled identities that have to do with a partner or come from outside, and that signed in lately or hold an app password. A
-- machine that signs in with a password over an interface counts too; a person at a browser does not, nor does a sign-in that the
-- log calls OAuth, whichever flow it was.
with held as (
    select
        c.identity_key,
        count(*) as app_passwords,
        min(c.kind || ' ' || c.native_id) as one_of_them,
        min(c.created_at) as oldest
    from credential_facts c
    where c.is_live
        and c.kind = 'app_password'
    group by c.identity_key
),
signed_in as (
    select
        i.identity_key,
        count(*) as sign_ins,
        sum(case when i.flow in $legacy_flows then 1 else 0 end) as legacy,
        max(case when i.flow in $legacy_flows then i.flow end) as legacy_flow,
        max(case when i.flow in $legacy_flows then i.app end) as legacy_app,
        max(case when i.flow in $legacy_flows then i.occurred_at end) as legacy_at,
        sum(case when i.flow = 'password' and not i.is_interactive then 1 else 0 end) as plain,
        max(case when i.flow = 'password' and not i.is_interactive then i.app end) as plain_app,
        max(case when i.flow = 'password' and not i.is_interactive then i.occurred_at end) as plain_at,
        sum(
            case
                when i.flow is null and coalesce(i.is_interactive, false) then 0
                when i.flow is null and (lower(u.action) like '%oauth%' or lower(u.action) like 'remote access%') then 0
                when i.flow is null then 1
                when i.flow = 'password' and i.is_interactive is null then 1
                else 0
            end
        ) as unclear
    from sign_ins i
    left join usage u on u.event_id = i.event_id
    where i.is_success
        and i.occurred_at >= $window_days_before
    group by i.identity_key
),
weighed as (
    select
        f.*,
        case
            when s.legacy > 0 then 'signs in by ' || s.legacy_flow || ' with its password'
            when s.plain > 0 and f.is_nhi then 'signs in over an interface with its password alone'
            when h.app_passwords > 0 then 'holds a password that works without a second factor'
        end as way,
        case when s.plain > 0 and f.is_nhi is null then 1 else 0 end as may_be_machine,
        coalesce(s.unclear, 0) as unclear,
        case when s.legacy > 0 then s.legacy else s.plain end as such_sign_ins,
        case when s.legacy > 0 then s.legacy_at else s.plain_at end as last_such_sign_in,
        case when s.legacy > 0 then s.legacy_app else s.plain_app end as by_app,
        h.app_passwords,
        h.one_of_them,
        h.oldest as oldest_of_them
    from identity_facts f
    left join held h on h.identity_key = f.identity_key
    left join signed_in s on s.identity_key = f.identity_key
    where f.is_enabled
        and (f.is_partner_related or f.is_external)
        and not coalesce(f.is_provider_owned, false)
        and (h.identity_key is not null or s.identity_key is not null)
)
select
    w.identity_id as subject_id,
    w.tenant_id,
    case
        when w.way is not null then 'fail'
        when w.may_be_machine = 1 or w.unclear > 0 then 'unknown'
        else 'pass'
    end as outcome,
    w.name as identity,
    w.way,
    case
        when w.way is not null then null
        when w.may_be_machine = 1 then 'whether it is a person is not known'
        else 'of ' || cast(w.unclear as varchar) || ' sign-ins the log does not name the way'
    end as open_question,
    w.kind,
    w.such_sign_ins,
    w.last_such_sign_in,
    w.by_app,
    w.app_passwords,
    w.one_of_them,
    w.oldest_of_them
from weighed w
