-- Outsiders: by the provider's own mark, or because a partner holds them. Of whose the most are decides for whom a group is meant;
-- where there are as many of both, it stays open. Integration licences are for machines, whoever's.
with groups_of as (
    select m.identity_key, m.group_key
    from memberships m
    union
    select m.identity_key, u.group_key
    from memberships m
    join memberships u on u.identity_key = m.group_key
),
mixed as (
    select
        g.identity_key,
        r.name,
        r.kind,
        r.internal_members,
        r.external_members,
        case when r.internal_members > r.external_members then 2 else 1 end as state
    from groups_of g
    join role_facts r on r.role_key = g.group_key
    where r.kind in $audience_kinds
        and r.internal_members > 0
        and r.internal_members >= r.external_members
        and lower(r.name) not in $allowed_mixed_groups
),
ranked as (
    select
        x.*,
        count(*) over (partition by x.identity_key) as mixed_groups,
        row_number() over (partition by x.identity_key order by x.state desc, x.internal_members desc, x.name) as place
    from mixed x
),
judged as (
    select
        f.*,
        case when f.partner_id is not null and f.partner_role = 'operator' then 1 else 0 end as is_partners,
        x.state as group_state,
        replace(x.kind, '_', ' ') || ' ' || x.name as first_group,
        x.internal_members,
        x.mixed_groups
    from identity_facts f
    left join ranked x on x.identity_key = f.identity_key and x.place = 1
    where f.is_enabled
        and not coalesce(f.is_provider_owned, false)
        and (coalesce(f.is_external, false) or (f.partner_id is not null and f.partner_role = 'operator') or f.is_partner_disputed)
        and (f.licence is not null or f.is_external is not null or x.identity_key is not null)
),
weighed as (
    select
        j.*,
        case
            when j.licence = 'internal' and (j.is_partners = 1 or coalesce(j.is_external, false)) then 3
            when j.group_state = 2 and (j.is_partners = 1 or coalesce(j.is_external, false)) then 2
            when j.licence = 'internal' then 11
            when j.group_state = 2 then 12
            when j.group_state = 1 then 13
            when j.licence is null and j.is_external is not null and not j.is_external and coalesce(j.kind, '') = 'human_user' then 14
            else 0
        end as state
    from judged j
)
select
    w.identity_id as subject_id,
    w.tenant_id,
    case when w.state in (2, 3) then 'fail' when w.state > 10 then 'unknown' else 'pass' end as outcome,
    w.name as identity,
    w.kind,
    w.native_id,
    case
        when w.partner_name is not null then 'of ' || w.partner_name
        when w.is_partner_disputed then '(claimed by more than one partner)'
        else 'from outside'
    end as held_by,
    case w.state
        when 3 then 'holds a licence for our own people'
        when 2 then 'is in ' || w.first_group || ' with '
            || case w.internal_members when 1 then '1 member' else cast(w.internal_members as varchar) || ' members' end || ' of ours'
    end as problem,
    case w.state
        when 11 then 'it holds a licence for our own people, and it is not settled whose it is'
        when 12 then 'it is in ' || w.first_group || ', and it is not settled whose it is'
        when 13 then w.first_group || ' has as many members of ours as others'
        when 14 then 'its licence was not read'
    end as doubt,
    w.licence,
    w.mixed_groups as groups_with_our_people,
    w.partner_evidence as whose_it_is
from weighed w
