select
    f.identity_id,
    f.partner_name,
    count(*) filter (s.is_success) as sign_ins,
    count(*) filter (not s.is_success) as refused,
    count(distinct s.network) as networks,
    count(distinct s.country) as countries,
    count(distinct s.device) as devices,
    count(distinct s.app) as apps,
    string_agg(distinct s.flow, ', ' order by s.flow) as flows,
    max(s.occurred_at) as newest
from sign_ins s
join identity_facts f
  on f.identity_key = s.identity_key
where $partner in ('', f.partner_id)
group by f.identity_id, f.partner_name
order by refused desc, sign_ins desc, f.identity_id
