-- what was looked for and opens nothing any more
select h.thing_kind, h.thing_id, h.name, h.tenant_id, 'is there, and opens nothing' as seen, w.seen_at
from partner_holdings h
left join was_held w using (thing_kind, thing_id)
where h.partner_id = $partner
    and h.is_live is false
    and h.relation in ('operator', 'beneficiary', 'vendor')
    and h.thing_id not in (select thing_id from doors)
union all
select 'secret', k.thing_id, k.name, k.tenant_id,
    case
        when k.state = 'said' then 'is not there any more; ' || k.done_says
        when k.has_credential and not k.is_credential_live then 'the credential does not work any more'
        when k.has_credential then 'the credential was replaced on ' || strftime(k.credential_at, '%Y-%m-%d')
        when k.is_stored then 'was replaced on ' || strftime(k.changed_at, '%Y-%m-%d')
        else 'does not work any more'
    end,
    w.seen_at
from known_secrets k
left join was_held w on w.thing_kind = 'secret' and w.thing_id = k.thing_id
where k.state in ('gone', 'said')
union all
select w.thing_kind, w.thing_id, w.name, w.tenant_id, w.now, w.seen_at
from was_then w
where w.state = 'gone'
order by all
