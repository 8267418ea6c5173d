-- people of ours who are there and may approve a severity
select mail
from people
where coalesce(side, 'ours') = 'ours'
    and coalesce(lower(status), 'active') = 'active'
    and left_on is null
    and ';' || replace(lower(can_approve), ' ', '') || ';' like '%;' || $severity || ';%'
order by mail
limit 5
