-- The weakest attributions first, one row a candidate; an identity open to outsiders without any has one row.
with verdicts as (
    select identity_key,
           max(case when verdict = 'conflict' then 1 else 0 end) as disputed,
           max(case when verdict = 'suggested' then 1 else 0 end) as suggested,
           max(case when verdict = 'asserted' then confidence end) as confidence
    from identity_partners
    group by identity_key
), ranked as (
    select f.identity_key, f.identity_id, f.provider, f.tenant_id, f.kind, f.name, f.native_id, f.is_nhi, f.level,
           f.live_credentials, f.last_used_at, f.is_trusted_from_outside,
           case when v.disputed = 1 then 'conflict'
                when v.confidence is not null then 'asserted'
                when v.suggested = 1 then 'suggested'
                else 'none' end as state,
           case when v.disputed = 1 then null else v.confidence end as confidence
    from identity_facts f
    left join verdicts v on v.identity_key = f.identity_key
    where not f.is_provider_owned
      and (v.disputed = 1
           or v.suggested = 1
           or v.confidence is not null
           or (f.is_trusted_from_outside and f.is_nhi is distinct from false))
), weakest as (
    select *,
           row_number() over (
               order by case state when 'conflict' then 1 when 'suggested' then 2 when 'none' then 3 else 4 end,
                        confidence,
                        level desc nulls first,
                        identity_id
           ) as place
    from ranked
)
select w.place, w.identity_id, w.provider, w.tenant_id, w.kind, w.name, w.native_id, w.is_nhi, w.level,
       w.live_credentials, w.last_used_at, w.is_trusted_from_outside, w.state, w.confidence,
       p.partner_id, r.name as partner_name, p.role, p.source, p.evidence, p.confidence as candidate_confidence,
       p.verdict, p.register_row
from weakest w
left join identity_partners p on p.identity_key = w.identity_key
left join (select partner_id, min(name) as name from partners group by partner_id) r on r.partner_id = p.partner_id
where w.place <= $limit
order by w.place,
         case p.verdict when 'asserted' then 1 when 'conflict' then 2 when 'lost' then 3 else 4 end,
         p.confidence desc,
         p.partner_id,
         p.role,
         p.evidence
