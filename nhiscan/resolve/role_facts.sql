-- One row a group of a CRM
delete from role_facts;

insert into role_facts by name
with counted as (
    select
        m.group_key,
        count(*) as members,
        count(*) filter (f.is_external or f.partner_id is not null) as external_members
    from group_members m
    join identity_facts f using (identity_key)
    where f.is_enabled
    group by m.group_key
),
serving as (
    select
        m.group_key,
        count(distinct p.partner_id) as partners,
        string_agg(distinct coalesce(p.name, p.partner_id), ', ' order by coalesce(p.name, p.partner_id)) as partner_names,
        count(distinct lower(trim(p.tier))) filter (trim(p.tier) <> '') as tiers,
        string_agg(distinct lower(trim(p.tier)), ', ' order by lower(trim(p.tier))) filter (trim(p.tier) <> '') as tier_names
    from group_members m
    join identity_facts f using (identity_key)
    join partners_of p using (identity_key)
    where f.is_enabled
    group by m.group_key
)
select
    g.identity_key as role_key,
    g.identity_id as role_id,
    g.provider,
    g.tenant_id,
    -- the kind of group is a word of its id
    coalesce(nullif(regexp_extract(g.identity_id, '^[^:]*:[^:]*:([^/]*)/', 1), ''), g.kind) as kind,
    g.name,
    coalesce(c.members, 0) as members,
    coalesce(c.members - c.external_members, 0) as internal_members,
    coalesce(c.external_members, 0) as external_members,
    coalesce(s.partners, 0) as partners,
    s.partner_names,
    coalesce(s.tiers, 0) as tiers,
    s.tier_names
from identities g
left join counted c on c.group_key = g.identity_key
left join serving s on s.group_key = g.identity_key
where g.kind = 'group'
    and g.provider not in ('aws', 'vault')
