-- Who, of which partner, and by what: the first ten.
with placed as (
    select
        r.resource_id,
        f.identity_id,
        coalesce(f.partner_name, 'no partner') as partner,
        a.evidence,
        a.record_scope,
        row_number() over (
            partition by r.resource_id
            order by case when a.can_write then 0 else 1 end, f.partner_name, f.identity_id
        ) as place
    from record_access a
    join identity_facts f on f.identity_key = a.identity_key
    join resource_facts r on r.resource_key = a.resource_key
    where f.is_enabled
        and (a.can_read or a.can_write)
)
select
    p.resource_id as subject_id,
    p.identity_id || ' of ' || p.partner as label,
    coalesce(p.record_scope || ' records: ', '') || coalesce(p.evidence, 'no evidence') as value
from placed p
where p.place <= 10
