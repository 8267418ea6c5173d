-- Coverage of the current scan as the next one takes it over; what it had taken over itself stays as it was.
select
    c.provider,
    c.tenant_id,
    c.dataset,
    'carried' as status,
    case
        when c.status = 'carried' then c.reason
        when c.status in ('complete', 'not_applicable') then 'from scan ' || s.scan_id
        else 'from scan ' || s.scan_id || ', where it was ' || c.status || coalesce(': ' || c.reason, '')
    end as reason,
    c.missing_permission,
    c.call,
    c.history_from,
    coalesce(c.collected_at, s.as_of) as collected_at,
    coalesce(c.original_status, c.status) as original_status
from previous.coverage c
cross join previous.scans s
