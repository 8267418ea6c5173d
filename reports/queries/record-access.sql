select
    d.object,
    f.identity_id,
    f.partner_name,
    a.can_read,
    a.can_write,
    a.record_scope,
    a.record_scope_high,
    a.visible_records,
    a.foreign_records,
    a.evidence
from record_access a
join data_objects d
  on d.resource_key = a.resource_key
join identity_facts f
  on f.identity_key = a.identity_key
where $object in ('', d.object)
  and $partner in ('', f.partner_id)
order by
    d.object,
    coalesce(list_position(['own', 'account', 'team', 'all'], a.record_scope), 0) desc,
    a.foreign_records desc nulls last,
    f.identity_id
