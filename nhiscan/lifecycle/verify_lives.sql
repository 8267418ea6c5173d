-- what of the partner still opens something
select h.thing_kind, h.thing_id, h.name, h.tenant_id, h.relation,
    coalesce(h.evidence, '') as evidence, h.level, h.last_used_at
from partner_holdings h
where h.partner_id = $partner
    and h.is_live
    and h.relation in ('operator', 'beneficiary', 'vendor')
union all
select 'secret', k.thing_id, k.name, k.tenant_id, 'knows',
    case
        when k.has_credential
            then 'the partner knows this credential, which was made on ' || strftime(k.credential_at, '%Y-%m-%d') || ' and works'
        when k.is_leak_live then 'the partner knows it, and it works'
        else 'the partner knows a value that has stood there since ' || strftime(k.changed_at, '%Y-%m-%d')
    end,
    null, null
from known_secrets k
where k.state = 'lives'
union all
select f.target_kind, f.target_id, f.target_id, null, 'step ' || f.step || ' of ' || f.offboarding_id, f.seen, null, null
from (
    select s.*, t.target_kind
    from step_facts s
    left join offboarding_steps t on t.offboarding_id = s.offboarding_id and t.step = s.step
) f
where f.partner_id = $partner
    and f.is_gone is false
    and coalesce(f.thing_id, f.target_id) not in (
        select thing_id from partner_holdings where partner_id = $partner and is_live
    )
    and coalesce(f.thing_id, f.target_id) not in (select thing_id from known_secrets)
order by all
