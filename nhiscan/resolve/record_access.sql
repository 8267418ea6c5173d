-- One row an outsider or a partner's identity and object of a CRM that it has a right to
create or replace temp table uncovered_rights as
select t.tenant_id
from (select distinct tenant_id from identities where provider not in ('aws', 'vault')) t
cross join (values ('grants'), ('grants.objects'), ('memberships'), ('objects.sharing')) d (dataset)
left join covered c on c.tenant_id = t.tenant_id and c.dataset = d.dataset
where c.tenant_id is null
group by t.tenant_id;

-- as whom each acts, set by set; rank: 0 own, 1 account, 2 team, 3 all
create or replace temp table object_rights as
with placed as (
    select
        j.identity_key,
        j.tenant_id,
        j.as_key,
        j.is_sure,
        o.*,
        case
            when not o.is_by_sharing then null
            when j.is_external then d.external_sharing
            when j.is_external is false then d.internal_sharing
            when d.external_sharing = d.internal_sharing then d.internal_sharing
        end as sharing,
        u.tenant_id is not null as is_uncovered
    from judged_as j
    join holder_sets h on h.as_key = j.as_key
    join set_objects o on o.set_key = h.set_key
    join data_objects d on d.resource_key = o.resource_key and d.field_name is null
    left join uncovered_rights u on u.tenant_id = j.tenant_id
)
select
    * exclude (scope),
    case
        when can_read then greatest(
            0,
            coalesce(scope, 0),
            case when is_by_sharing then coalesce(shared, 0) else 0 end,
            case when super_key is not null then 1 else 0 end,
            case when sharing in ('read', 'write') then 3 else 0 end
        )
    end as rank,
    scope,
    is_uncovered or is_by_sharing and coalesce(sharing not in ('private', 'read', 'write'), true) as is_open
from placed;

-- whose records count as one's own: those of the partner, else of the account, else one's own alone
create or replace temp table sides as
with accounts as (
    select identity_key, min(value) as account
    from signs
    where kind in ('salesforce_account', 'hubspot_company')
    group by identity_key
)
select
    f.identity_key,
    coalesce('partner ' || f.partner_id, 'account ' || a.account, 'identity ' || f.identity_key) as side,
    a.account
from identity_facts f
left join accounts a using (identity_key);

create or replace temp table side_counts as
select s.side, c.resource_key, sum(c.records)::bigint as records
from record_counts c
join sides s using (identity_key)
group by s.side, c.resource_key;

create or replace temp table account_counts as
select s.account, c.resource_key, sum(c.records)::bigint as records
from record_counts c
join sides s using (identity_key)
where s.account is not null
group by s.account, c.resource_key;

create or replace temp table owner_counts as
select identity_key, resource_key, sum(records)::bigint as records
from record_counts
where identity_key is not null
group by identity_key, resource_key;

-- how each object right is put in words: through whom, and what says how far it goes
create or replace temp table holder_words as
select identity_key as holder_key, kind_of(identity_id) || ' ' || name as words
from identities
where identity_key in (select holder_key from holder_objects union select holder_key from holder_everywhere);

delete from record_access;

insert into record_access by name
with counted as (
    select
        r.*,
        case
            when r.rank = 3 then d.records
            when r.rank = 1 and s.account is not null
                then coalesce(a.records, case when k.tenant_id is not null then 0 end)
            when r.rank = 0 then coalesce(o.records, case when k.tenant_id is not null then 0 end)
        end as visible,
        coalesce(o.records, 0) as owned,
        s.side
    from object_rights r
    join data_objects d on d.resource_key = r.resource_key
    join sides s on s.identity_key = r.as_key
    left join owner_counts o on o.identity_key = r.as_key and o.resource_key = r.resource_key
    left join account_counts a on a.account = s.account and a.resource_key = r.resource_key
    left join covered k on k.tenant_id = r.tenant_id and k.dataset = 'objects.records'
),
summed as (
    select
        c.identity_key,
        c.resource_key,
        any_value(c.tenant_id) as tenant_id,
        any_value(mine.side) as side,
        count(*) as users,
        case
            when bool_or(c.can_read and c.is_sure) then true
            when bool_and(c.is_sure and not c.is_uncovered) then false
        end as can_read,
        case
            when bool_or(c.can_write and c.is_sure) then true
            when bool_and(c.is_sure and not c.is_uncovered) then false
        end as can_write,
        max(c.rank) filter (c.is_sure) as rank,
        max(case when c.is_open then 3 else c.rank end) as high,
        max(c.visible) filter (c.is_sure and c.rank = 3) as everything,
        sum(c.visible) filter (c.is_sure) as together,
        bool_and(c.visible is not null) filter (c.is_sure and c.rank is not null) as is_counted,
        coalesce(sum(c.owned) filter (c.side <> mine.side), 0) as lent,
        arg_max(c.as_key, (c.is_sure, c.rank is not null, coalesce(c.rank, 0), -c.as_key)) as as_key
    from counted c
    join sides mine on mine.identity_key = c.identity_key
    group by c.identity_key, c.resource_key
),
seen as (
    select
        s.*,
        cast(case
            when s.rank = 3 then s.everything
            -- what several users see of their accounts overlaps, what each of them owns does not
            when s.rank = 0 or s.rank = 1 and s.users = 1 then case when s.is_counted then s.together end
        end as bigint) as visible
    from summed s
)
select
    s.identity_key,
    s.resource_key,
    s.can_read,
    s.can_write,
    ['own', 'account', 'team', 'all'][s.rank + 1] as record_scope,
    ['own', 'account', 'team', 'all'][s.high + 1] as record_scope_high,
    s.visible as visible_records,
    case
        when s.rank < 2 then case when s.visible is not null then 0 end
        when k.tenant_id is not null then greatest(s.visible - coalesce(t.records, 0) - cast(s.lent as bigint), 0)
    end as foreign_records,
    concat_ws(
        '; ',
        case when r.as_key <> s.identity_key then 'through its live token of ' || u.name end,
        'right from ' || case when r.via_key = r.as_key then 'a grant of its own' else v.words end,
        case
            when r.scope = 3 then 'all records by ' || case when r.scope_key = r.as_key then 'a grant of its own' else w.words end
            when r.sharing in ('read', 'write')
                then 'sharing default for ' || case when u.is_external then 'outsiders' else 'insiders' end || ': ' || r.sharing
            when r.rank = r.shared and r.is_by_sharing then 'sharing rule for ' || x.words
            when r.rank = r.scope
                then 'scope of ' || case when r.scope_key = r.as_key then 'a grant of its own' else w.words end
            when r.rank = 1 then 'super-user access to the records of its account'
            when r.rank = 0 and r.sharing = 'private' then 'sharing default: private'
        end,
        case when s.users > 1 then 'and ' || (s.users - 1) || ' more users' end,
        case when s.high > coalesce(s.rank, -1) and r.is_uncovered then 'rights or sharing were not read completely' end
    ) as evidence
from seen s
join object_rights r
    on r.identity_key = s.identity_key
    and r.resource_key = s.resource_key
    and r.as_key = s.as_key
join identities u on u.identity_key = s.as_key
left join holder_words v on v.holder_key = r.via_key
left join holder_words w on w.holder_key = r.scope_key
left join holder_words x on x.holder_key = r.shared_key
left join side_counts t on t.side = s.side and t.resource_key = s.resource_key
left join covered k on k.tenant_id = s.tenant_id and k.dataset = 'objects.records'
