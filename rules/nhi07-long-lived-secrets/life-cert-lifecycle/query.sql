-- Certificates that are in force or ran out lately. The day on which a store got one is not the day of its issue, so what counts as too
-- long is the time that is left.
select
    r.resource_id as subject_id,
    r.tenant_id,
    case
        when s.expires_at is null then 'unknown'
        when s.expires_at < $warn_days_after or s.expires_at > $max_cert_days_after then 'fail'
        else 'pass'
    end as outcome,
    case when s.expires_at < $warn_days_after then 'medium' else 'low' end as severity,
    r.name as certificate,
    r.native_id,
    case
        when s.expires_at <= $as_of then 'ran out on ' || substr(cast(s.expires_at as varchar), 1, 10)
        when s.expires_at < $warn_days_after then 'runs out on ' || substr(cast(s.expires_at as varchar), 1, 10)
        else 'is valid until ' || substr(cast(s.expires_at as varchar), 1, 10) || ', more than ' || cast($max_cert_days as varchar)
            || ' days from now'
    end as state,
    s.created_at as in_the_store_since,
    r.partner_name as partner
from resource_facts r
join stored_secrets s on s.resource_key = r.resource_key
where r.kind = 'certificate'
    and coalesce(s.expires_at >= $expired_days_before, true)
