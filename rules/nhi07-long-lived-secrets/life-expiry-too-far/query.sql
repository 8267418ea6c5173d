-- Live credentials with an expiry; without one, life-no-expiry speaks. A contract ends where it does not renew itself, or where notice was
-- given or it was terminated; an end that has passed is a matter of offboarding.
with ends as (
    select
        t.partner_id,
        t.tenant_id,
        c.contract_id,
        c.register_row,
        case when c.dates_readable = false then 1 else 0 end as is_unreadable,
        case
            when c.terminated_on is not null and (c.end_date is null or c.terminated_on < c.end_date) then c.terminated_on
            when coalesce(c.auto_renew, false) and c.notice_date is null then null
            else c.end_date
        end as last_day
    from partner_tenants t
    join contracts c on c.contract_id = t.contract_id
    where t.has_contract
),
judged as (
    select
        c.*,
        e.contract_id,
        e.last_day,
        e.register_row,
        case
            when cast(c.expires_at as date) > e.last_day and e.last_day >= cast($as_of as date) then 1
            when c.kind in $other_kinds then 0
            when c.lifetime_days > $max_lifetime_days then 2
            when c.lifetime_days is null and c.expires_at > $max_lifetime_days_after then 2
            when c.lifetime_days is null then 11
            when e.is_unreadable = 1 then 12
            else 0
        end as state
    from credential_facts c
    left join ends e on e.partner_id = c.partner_id and e.tenant_id = c.tenant_id
    where c.is_live
        and c.expires_at is not null
        and not coalesce(c.is_provider_owned, false)
)
select
    j.credential_id as subject_id,
    j.tenant_id,
    case when j.state = 0 then 'pass' when j.state > 10 then 'unknown' else 'fail' end as outcome,
    case when j.state = 1 then 'high' else 'medium' end as severity,
    j.kind,
    j.native_id,
    j.identity_name as identity,
    j.expires_at as expires,
    case j.state
        when 1 then 'beyond the contract with ' || coalesce(j.partner_name, j.partner_id) || ', which ends on '
            || cast(j.last_day as varchar)
        when 2 then coalesce(cast(j.lifetime_days as varchar), 'more than ' || cast($max_lifetime_days as varchar))
            || ' days after it was issued'
    end as beyond,
    case j.state
        when 11 then 'nobody says when it was issued'
        when 12 then 'a date of the contract could not be read'
    end as doubt,
    j.created_at as issued,
    j.lifetime_days,
    j.last_used_at as last_used,
    j.contract_id as contract,
    j.register_row as contract_in_the_register
from judged j
