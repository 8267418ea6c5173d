-- which objects of a CRM an outsider or partner's identity reaches, and how many of their records
select a.identity_key, d.object, a.can_read, a.can_write, a.record_scope, a.record_scope_high, a.visible_records,
       a.foreign_records, a.evidence
from record_access a
join data_objects d on d.resource_key = a.resource_key
where a.identity_key in (select unnest($keys::bigint[]))
order by a.identity_key, coalesce(list_position(['own', 'account', 'team', 'all'], a.record_scope), 0) desc, d.object
