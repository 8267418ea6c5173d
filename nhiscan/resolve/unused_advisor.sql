-- service_uses, and which services give which verb -> unused_parts. Access advisor names every service that the policies allow,
-- so one that it does not name is not followed.
create or replace temp view unused_parts as
with uses as (
    select identity_key, lower(service) as service, max(last_used_at) as last_used_at
    from service_uses
    group by identity_key, lower(service)
)
select
    h.identity_key,
    v.verb,
    s.service as name,
    case when s.is_seen then u.last_used_at end as last_used_at,
    s.is_seen and u.identity_key is not null as is_known,
    cast(null as timestamp) as granted_at
from aws_holders h
join unused_verbs v on v.combination = h.combination
join unused_held d
    on d.identity_key = h.identity_key
    and d.verb = v.verb
join unused_services s on s.services = v.services
left join uses u
    on u.identity_key = h.identity_key
    and u.service = s.service;
