-- What the covering contracts say together, for each partner and tenant; a null tenant stands for all contracts wherever they apply
create or replace temp table contract_conclusions as
with places as (
    select distinct p.partner_id, i.tenant_id
    from identity_partners p
    join identities i using (identity_key)
    where p.verdict = 'asserted'
        and i.kind not in ('group', 'entity')
    union
    select partner_id, null
    from partners
),
-- registers name a tenant in full or by the provider's number alone
limits as (
    select distinct l.contract_id, i.tenant_id
    from contract_tenants l
    join (select distinct tenant_id from identities) i on l.tenant_id in (i.tenant_id, split_part(i.tenant_id, ':', 2))
),
applying as (
    select p.partner_id, p.tenant_id, c.contract_id, c.state, c.ended_at, c.last_day, c.is_renewal_unconfirmed,
        c.revoke_sla_hours, c.words, c.register_row,
        case c.state
            when 'in_force' then case when c.is_renewal_unconfirmed then 5 else 6 end
            when 'unreadable' then 4
            when 'suspended' then 3
            when 'ended' then 2
            when 'future' then 1
            else 0
        end as weight
    from places p
    join covering c on c.covered_id = p.partner_id
    where p.tenant_id is null
        or not exists (select 1 from contract_tenants l where l.contract_id = c.contract_id)
        or exists (select 1 from limits l where l.contract_id = c.contract_id and l.tenant_id = p.tenant_id)
),
-- a row that was not accepted may be the contract that is still in force
lost as (
    select q.partner_id,
        min(q.file || ':' || q.line) as register_row
    from quarantine q
    join register_files f on f.file = q.file
    where q.row_dropped
        and q.partner_id is not null
        and f.holds in ('contracts', 'contract_events')
    group by q.partner_id
),
decided as (
    select *,
        row_number() over (
            partition by partner_id, tenant_id
            order by weight desc, coalesce(ended_at, last_day, timestamp '9999-12-31') desc, contract_id
        ) as place,
        bool_or(state = 'ended' and ended_at is null) over (partition by partner_id, tenant_id) as is_end_undated,
        min(case when state = 'future' then words end) over (partition by partner_id, tenant_id) as future
    from applying
)
select p.partner_id,
    p.tenant_id,
    case
        when d.state = 'unreadable' then null
        when l.partner_id is not null then null
        else coalesce(d.state, '') = 'ended'
    end as is_ended,
    case when d.state = 'ended' and not d.is_end_undated and l.partner_id is null then d.ended_at end as ended_at,
    case
        when d.state = 'ended' and not d.is_end_undated and l.partner_id is null
            then d.ended_at + to_hours(d.revoke_sla_hours)
    end as revoke_by,
    d.contract_id,
    case
        when d.state = 'in_force' then true
        when d.state = 'unreadable' or l.partner_id is not null then null
        else false
    end as has_contract,
    coalesce(d.is_renewal_unconfirmed, false) as is_renewal_unconfirmed,
    case
        when d.contract_id is not null and d.state = 'ended' and d.future is not null then d.words || '; ' || d.future
        when d.contract_id is not null then d.words
        when exists (select 1 from covering c where c.covered_id = p.partner_id) then 'no contract on record for this tenant'
        else 'no contract on record'
    end
    || case
        when l.partner_id is not null
            then '; the register row ' || l.register_row || ' was not accepted and may say otherwise'
        else ''
    end as reason,
    d.register_row
from places p
left join decided d
    on d.partner_id = p.partner_id
    and d.tenant_id is not distinct from p.tenant_id
    and d.place = 1
left join lost l on l.partner_id = p.partner_id
