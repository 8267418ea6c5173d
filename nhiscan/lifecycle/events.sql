-- Contracts of a partner, and of whoever stands above it and covers it, with what ends them and when
with recursive above (partner_id) as (
    select $partner
    union
    select p.parent_id
    from above a
    join partners p on p.partner_id = a.partner_id
    where p.parent_id is not null
        and coalesce(lower(p.relation), '') <> 'sub_processor'
),
told as (
    select contract_id,
        max(occurred) filter (lower(type) in ('terminated', 'termination')) as terminated_on,
        max(occurred) filter (lower(type) in ('expired', 'expiry')) as expired_on,
        max(occurred) filter (lower(type) = 'notice') as notice_on,
        bool_or(lower(type) in ('terminated', 'termination')) as is_terminated,
        bool_or(lower(type) in ('expired', 'expiry')) as is_expired,
        bool_or(lower(type) = 'notice') as has_notice,
        min(register_row) as register_row
    from contract_events
    group by contract_id
),
judged as (
    select c.contract_id, c.revoke_sla_hours, c.end_date, c.dates_readable, c.register_row,
        coalesce(c.auto_renew, false) as renews,
        coalesce(lower(c.status) = 'draft', false) as is_draft,
        coalesce(c.grants_access, c.kind is null or lower(c.kind) not in ('nda', 'dpa')) as grants_access,
        coalesce(lower(c.status) = 'terminated', false) or c.terminated_on is not null or coalesce(t.is_terminated, false) as is_terminated,
        coalesce(lower(c.status) = 'expired', false) or coalesce(t.is_expired, false) as is_expired,
        c.notice_date is not null or coalesce(t.has_notice, false) as has_notice,
        coalesce(c.terminated_on, t.terminated_on) as terminated_on,
        t.expired_on,
        coalesce(c.notice_date, t.notice_on) as notice_on
    from contracts c
    left join told t using (contract_id)
    where c.partner_id = $partner
        or (c.covers_subsidiaries and c.partner_id in (select partner_id from above))
)
select contract_id, revoke_sla_hours, register_row, grants_access,
    case
        when is_terminated then 'terminated'
        when is_expired then 'expired'
        when has_notice then 'notice'
        when end_date is not null and not renews then 'end'
    end as event,
    case
        when is_terminated then coalesce(terminated_on, end_date)
        when is_expired then coalesce(end_date, expired_on, terminated_on)
        when has_notice then coalesce(terminated_on, end_date)
        when not renews then end_date
    end as last_day,
    notice_on
from judged
where not is_draft
order by contract_id
