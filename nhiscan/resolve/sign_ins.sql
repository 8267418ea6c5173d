-- Sign-ins of identities in the inventory. A device is a program and a platform without their versions, which change by themselves.
delete from sign_ins;

insert into sign_ins by name
with agents as (
    select
        user_agent,
        case
            when regexp_matches(text, '\b(edg|edge|edga|edgios)\b') then 'edge'
            when regexp_matches(text, '\b(opr|opera)\b') then 'opera'
            when regexp_matches(text, '\b(firefox|fxios)\b') then 'firefox'
            when regexp_matches(text, '\b(chrome|crios)\b') then 'chrome'
            when regexp_matches(text, '\bsafari\b') then 'safari'
            else nullif(nullif(regexp_extract(text, '[a-z][a-z_-]*'), ''), 'unknown')
        end as program,
        case
            when regexp_matches(text, '\bandroid\b') then 'android'
            when regexp_matches(text, '\b(iphone|ipad|ios)\b') then 'ios'
            when regexp_matches(text, '\bwindows\b') then 'windows'
            when regexp_matches(text, '\b(mac os|mac osx|macos|macintosh|macosx)\b') then 'mac'
            when regexp_matches(text, '\bcros\b') then 'chromeos'
            when regexp_matches(text, '\blinux\b') then 'linux'
        end as platform
    from (select distinct user_agent, lower(user_agent) as text from usage where kind = 'login')
)
select
    u.event_id,
    i.identity_key,
    i.identity_id,
    u.tenant_id,
    u.occurred_at,
    cast(floor(epoch(u.occurred_at) / 60) as bigint) as minute,
    case u.outcome when 'success' then true when 'failure' then false end as is_success,
    u.is_interactive,
    coalesce(
        nullif(regexp_extract(u.source_ip, '^(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d{1,3}$', 1), ''),
        nullif(regexp_extract(lower(u.source_ip), '^([0-9a-f]{1,4}:[0-9a-f]{1,4}:[0-9a-f]{1,4}):[0-9a-f:]*$', 1), '')
    ) as network,
    upper(u.country) as country,
    nullif(concat_ws(' ', a.program, a.platform), '') as device,
    u.app,
    u.flow
from usage u
join identities i on i.identity_id = u.identity_id
left join agents a on a.user_agent = u.user_agent
where u.kind = 'login'
    and i.kind not in ('group', 'entity')
