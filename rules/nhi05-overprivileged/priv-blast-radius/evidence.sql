-- The share of each object that it sees, by counts only; then what lets it export.
select
    f.identity_id as subject_id,
    'sees of ' || d.object as label,
    coalesce(cast(a.visible_records as varchar), case when a.record_scope = 'all' then 'all' else 'not counted' end)
    || ' of ' || coalesce(cast(d.records as varchar), 'an unknown number of') || ' records'
    || coalesce('; ' || cast(a.foreign_records as varchar) || ' of others', '')
    || coalesce('; ' || a.evidence, '') as value
from record_access a
join data_objects d on d.resource_key = a.resource_key
join identity_facts f on f.identity_key = a.identity_key
where d.field_name is null
    and lower(d.object) in $deal_objects
    and coalesce(a.can_read, true)
union all
select
    f.identity_id,
    'export-data on ' || coalesce(p.scope, 'unknown scope') || ' (' || p.certainty || ')',
    coalesce(p.statement, 'statement not kept')
from privileges p
join identity_facts f on f.identity_key = p.identity_key
where p.verb = 'export-data'
