-- From where and with what a credential was used. A provider's own services, which act for somebody, come without an address.
delete from credential_sources;

insert into credential_sources
select credential_id, network, program, count(*) as uses, max(occurred_at) as last_used_at
from (
    select u.credential_id, u.occurred_at,
        coalesce(
            nullif(regexp_extract(u.source_ip, '^(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d{1,3}$', 1), ''),
            nullif(regexp_extract(lower(u.source_ip), '^([0-9a-f]{1,4}:[0-9a-f]{1,4}:[0-9a-f]{1,4}):[0-9a-f:]*$', 1), '')
        ) as network,
        case
            when u.user_agent ilike '%terraform%' then 'terraform'
            else nullif(regexp_extract(lower(u.user_agent), '[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*'), '')
        end as program
    from usage u
    where u.credential_id is not null
        and u.outcome = 'success'
)
where network is not null
    and program is not null
group by credential_id, network, program
order by credential_id, network, program
