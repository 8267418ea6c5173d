-- usage, and what its actions mean -> unused_logged (identity_key, verb, last_used_at, action). Logs hold chosen events only:
-- they show use, and their silence shows nothing.
create or replace temp table unused_logged as
select
    i.identity_key,
    a.verb,
    max(u.occurred_at) as last_used_at,
    arg_max(u.action, (u.occurred_at, u.action)) as action
from usage u
join unused_actions a on a.action = u.action
join identities i on i.identity_id = u.identity_id
where u.provider = 'aws'
    and u.outcome = 'success'
    and u.kind <> 'login'
group by i.identity_key, a.verb;
