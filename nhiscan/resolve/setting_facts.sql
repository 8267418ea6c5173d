-- One row a policy value. What holds for the whole tenant does not hold for whoever has a narrower value of the same name.
delete from setting_facts;

insert into setting_facts by name
with said as (
    select *
    from settings
    where provider not in ('aws', 'vault')
    qualify row_number() over (partition by tenant_id, name, applies_to order by number, value) = 1
),
outsiders as (
    select f.identity_key, f.identity_id, f.tenant_id
    from identity_facts f
    where f.is_enabled
        and f.is_nhi is not true
        and f.kind <> 'guest'
        and (f.is_external or f.partner_id is not null)
),
narrow as (
    select s.tenant_id, s.name, s.applies_to, o.identity_key
    from said s
    join identities g on g.identity_id = s.applies_to
    join group_members m on m.group_key = g.identity_key
    join outsiders o on o.identity_key = m.identity_key
    union
    select s.tenant_id, s.name, s.applies_to, o.identity_key
    from said s
    join outsiders o on o.identity_id = s.applies_to
),
applying as (
    select *
    from narrow
    union all
    select s.tenant_id, s.name, null, o.identity_key
    from said s
    join outsiders o on o.tenant_id = s.tenant_id
    where s.applies_to is null
        and not exists (
            select 1
            from narrow n
            where n.tenant_id = s.tenant_id
                and n.name = s.name
                and n.identity_key = o.identity_key
        )
),
counted as (
    select
        a.tenant_id,
        a.name,
        a.applies_to,
        count(distinct a.identity_key) as affected,
        count(distinct p.partner_id) as partners,
        string_agg(distinct coalesce(p.name, p.partner_id), ', ' order by coalesce(p.name, p.partner_id)) as partner_names
    from applying a
    left join partners_of p using (identity_key)
    group by a.tenant_id, a.name, a.applies_to
)
select
    s.tenant_id || ':setting/' || s.name
        || coalesce(
            '/' || case
                when starts_with(s.applies_to, s.tenant_id || ':') then substr(s.applies_to, length(s.tenant_id) + 2)
                else s.applies_to
            end,
            ''
        ) as setting_id,
    s.provider,
    s.tenant_id,
    s.name,
    s.value,
    s.number,
    s.applies_to,
    coalesce(c.affected, 0) as affected,
    coalesce(c.partners, 0) as partners,
    c.partner_names
from said s
left join counted c
    on c.tenant_id = s.tenant_id
    and c.name = s.name
    and c.applies_to is not distinct from s.applies_to
