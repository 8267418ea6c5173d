-- how an identity signed in, the newest first
select s.occurred_at, s.is_success, s.is_interactive, s.network, s.country, s.device, s.app, s.flow, count(*) over () as total
from sign_ins s
where s.identity_key = $key
order by s.occurred_at desc, s.event_id
limit $most
