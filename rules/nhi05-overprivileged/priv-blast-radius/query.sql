-- Enabled outsiders and partners' identities: the share of each deal object that they see, and rights to export that no package of
-- theirs allows; without a package none is allowed. Who sees all needs no counts, unless there is nothing to see. Of whoever's
-- rights nothing is known, nothing small is known either. What all partners' people see is told of the object: a person is judged
-- who can carry it away as well.
with seen as (
    select
        a.identity_key,
        d.object,
        d.records,
        case
            when a.record_scope = 'all' then coalesce(d.records, a.visible_records)
            else a.visible_records
        end as visible,
        case
            when not coalesce(a.can_read, true) then 0
            when a.can_read and a.record_scope = 'all' and coalesce(d.records, 1) > 0 then 2
            when a.can_read and d.records >= $min_records and a.visible_records > $blast_ratio * d.records then 2
            when a.record_scope = 'all' and coalesce(d.records, 1) > 0 then 1
            when d.records < $min_records then 0
            when d.records is not null and a.visible_records <= $blast_ratio * d.records
                and a.record_scope_high in ('own', 'account', 'team') then 0
            when coalesce(a.record_scope_high, 'all') = 'all' or a.visible_records is null then 1
            when a.can_read is null and a.visible_records > $blast_ratio * d.records then 1
            else 0
        end as state,
        case when a.record_scope = 'all' then 1 else 0 end as is_all
    from record_access a
    join data_objects d on d.resource_key = a.resource_key
    where d.field_name is null
        and lower(d.object) in $deal_objects
),
ranked as (
    select
        s.*,
        count(*) over (partition by s.identity_key, s.state) as objects,
        row_number() over (
            partition by s.identity_key
            order by s.state desc, s.is_all desc, case when s.records > 0 then 1.0 * s.visible / s.records else 0 end desc, s.object
        ) as place
    from seen s
),
packaged as (
    select distinct a.identity_key
    from package_assignments g
    join identity_partners a on a.partner_id = g.partner_id
    where a.verdict = 'asserted'
        and coalesce(g.assigned_at <= cast($as_of as date), true)
        and coalesce(g.expires_at >= cast($as_of as date), true)
),
export_rights as (
    select e.identity_key, e.scope, e.certainty, e.statement
    from package_excess e
    where e.verb = 'export-data'
    union all
    select p.identity_key, p.scope, p.certainty, p.statement
    from privileges p
    left join packaged k on k.identity_key = p.identity_key
    where p.verb = 'export-data'
        and k.identity_key is null
),
exports as (
    -- of what it sees itself, or of more than one thing
    select
        identity_key,
        max(case when certainty = 'definite' then 2 else 1 end) as own_state,
        max(case
            when coalesce(scope, 'all') not in ('all', 'environment', 'set') then 0
            when certainty = 'definite' then 2
            else 1
        end) as state,
        min(case when certainty = 'definite' then statement end) as statement
    from export_rights
    group by identity_key
),
judged as (
    select
        f.*,
        case
            when f.is_nhi or coalesce(r.state, 0) <= coalesce(x.own_state, 0) then coalesce(r.state, 0)
            when f.is_nhi is null and coalesce(x.own_state, 0) = 0 then 1
            else coalesce(x.own_state, 0)
        end as reach_state,
        case when r.state = 2 then coalesce(x.own_state, 0) else coalesce(x.state, 0) end as export_state,
        x.statement as export_statement,
        r.object,
        r.records,
        r.visible,
        r.is_all,
        r.objects
    from identity_facts f
    left join ranked r on r.identity_key = f.identity_key and r.place = 1
    left join exports x on x.identity_key = f.identity_key
    where f.is_enabled
        and not coalesce(f.is_provider_owned, false)
        and (coalesce(f.is_external, false) or f.is_partner_related)
)
select
    j.identity_id as subject_id,
    j.tenant_id,
    case
        when j.reach_state = 2 or j.export_state = 2 then 'fail'
        when j.reach_state = 1 or j.export_state = 1 or j.level is null then 'unknown'
        else 'pass'
    end as outcome,
    case when j.reach_state = 2 and j.export_state = 2 then 'critical' else 'high' end as severity,
    j.name as identity,
    j.kind,
    j.native_id,
    case
        when j.partner_name is not null then 'of ' || j.partner_name
        when j.is_partner_related then '(which has to do with a partner)'
        else 'from outside'
    end as held_by,
    case
        when j.reach_state = 2 and j.is_all = 1 then 'read all records of ' || j.object
        when j.reach_state = 2
            then 'read ' || cast(j.visible as varchar) || ' of the ' || cast(j.records as varchar) || ' records of ' || j.object
        else ''
    end
    || case when j.reach_state = 2 and j.objects > 1 then ' and much of ' || cast(j.objects - 1 as varchar) || ' other deal objects' else '' end
    || case when j.reach_state = 2 and j.export_state = 2 then ', and ' else '' end
    || case when j.export_state = 2 then 'export data in bulk, which no package of its partner allows' else '' end as reach,
    case
        when j.reach_state = 2 or j.export_state = 2 then null
        when j.reach_state = 1 then 'how many records of ' || j.object || ' it sees was not decided'
        when j.export_state = 1 then 'a right to export data depends on something'
        else 'its rights were not read'
    end as doubt,
    j.export_statement as right_to_export,
    j.level
from judged j
