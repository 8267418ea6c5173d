-- One row an outsider or a partner's identity and object of a CRM that it has a right to
create or replace temp table set_rights as
with uncovered as (
    select distinct t.tenant_id
    from (select distinct tenant_id from identities where provider not in ('aws', 'vault')) t
    cross join (values ('grants'), ('grants.objects'), ('memberships'), ('objects.sharing')) n (dataset)
    left join covered c on c.tenant_id = t.tenant_id and c.dataset = n.dataset
    where c.tenant_id is null
),
placed as (
    select
        o.*,
        p.is_external,
        case
            when not o.may_by_sharing then null
            when p.is_external then d.external_sharing
            when p.is_external is false then d.internal_sharing
            when d.external_sharing = d.internal_sharing then d.internal_sharing
        end as sharing,
        u.tenant_id is not null as is_uncovered
    from set_objects o
    join holder_sets p on p.as_key = o.set_key
    join data_objects d on d.resource_key = o.resource_key and d.field_name is null
    join identities i on i.identity_key = o.set_key
    left join uncovered u on u.tenant_id = i.tenant_id
),
ranked as (
    select
        *,
        case when can_read then greatest(
            coalesce(scope, 0),
            case when is_by_sharing then coalesce(shared, 0) else 0 end,
            case when is_super then 1 else 0 end,
            case when is_by_sharing and sharing in ('read', 'write') then 3 else 0 end
        ) end as rank,
        case
            when is_uncovered or may_by_sharing and coalesce(sharing not in ('private', 'read', 'write'), true) then 3
            when may_read then greatest(
                coalesce(most, 0),
                case when may_by_sharing then coalesce(shared, 0) else 0 end,
                case when is_super then 1 else 0 end,
                case when sharing in ('read', 'write') then 3 else 0 end
            )
        end as high
    from placed
)
select
    r.set_key,
    r.is_external,
    r.resource_key,
    r.can_read,
    r.can_write,
    r.rank,
    r.high,
    r.is_uncovered,
    not r.is_uncovered and not (r.may_read and not r.can_read) as is_reading_decided,
    not r.is_uncovered and not (r.may_write and not r.can_write) as is_writing_decided,
    concat_ws(
        '; ',
        'right from ' || v.words,
        case
            when r.rank = 3 and r.scope = 3 then 'all records by ' || w.words
            when r.rank = 3 and r.sharing in ('read', 'write')
                then 'sharing default for ' || case when r.is_external then 'outsiders' else 'insiders' end || ': ' || r.sharing
            when r.rank > 0 and r.rank = r.shared and r.is_by_sharing then 'shared with ' || x.words
            when r.rank > 0 and r.rank = r.scope then 'scope of ' || w.words
            when r.rank = 1 then 'super-user access to the records of its account'
            when r.rank = 0 and r.sharing = 'private' then 'sharing default: private'
        end,
        case when r.is_uncovered then 'rights or sharing were not read completely' end
    ) as words
from ranked r
left join holder_words v on v.holder_key = r.via_key
left join holder_words w on w.holder_key = r.scope_key
left join holder_words x on x.holder_key = r.shared_key;

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

create or replace temp table owner_counts as
select identity_key, resource_key, sum(records)::bigint as records
from record_counts
where identity_key is not null
group by identity_key, resource_key;

create or replace temp table side_counts as
select s.side, c.resource_key, sum(c.records)::bigint as records
from owner_counts c
join sides s using (identity_key)
group by s.side, c.resource_key;

create or replace temp table account_counts as
select s.account, c.resource_key, sum(c.records)::bigint as records
from owner_counts c
join sides s using (identity_key)
where s.account is not null
group by s.account, c.resource_key;

-- objects of which each record was counted under its owner: where others were not seen, there are more of everything
create or replace temp table whole_counts as
select d.resource_key
from data_objects d
join record_counts c using (resource_key)
where d.field_name is null
group by d.resource_key, d.records
having sum(c.records) = d.records;

delete from record_access;

insert into record_access by name
with placed as (
    select
        j.identity_key,
        j.as_key,
        j.is_sure,
        r.*,
        m.side,
        s.side <> m.side as is_lent,
        s.account,
        d.records as total,
        coalesce(o.records, case when k.tenant_id is not null then 0 end) as own,
        k.tenant_id is not null as is_counted,
        k.tenant_id is not null or w.resource_key is not null as is_owned
    from judged_as j
    join holder_sets h on h.as_key = j.as_key
    join set_rights r on r.set_key = h.set_key
    join data_objects d on d.resource_key = r.resource_key
    join sides m on m.identity_key = j.identity_key
    join sides s on s.identity_key = j.as_key
    left join covered k on k.tenant_id = j.tenant_id and k.dataset = 'objects.records'
    left join owner_counts o on o.identity_key = j.as_key and o.resource_key = r.resource_key
    left join whole_counts w on w.resource_key = r.resource_key
),
summed as (
    select
        identity_key,
        resource_key,
        count(*) as users,
        any_value(side) as side,
        any_value(is_counted) as is_counted,
        any_value(is_owned) as is_owned,
        any_value(total) as total,
        bool_or(can_read and is_sure) as can_read,
        bool_or(can_write and is_sure) as can_write,
        bool_and(is_sure and is_reading_decided) as is_reading_decided,
        bool_and(is_sure and is_writing_decided) as is_writing_decided,
        max(rank) filter (is_sure) as rank,
        max(high) as high,
        min(account) as account,
        sum(own) filter (is_sure and can_read) as own,
        bool_and(own is not null) filter (is_sure and can_read) as is_own_known,
        coalesce(sum(own) filter (is_lent), 0) as lent,
        key_of(max(weighed(case when is_sure then 5 else 0 end + coalesce(rank + 1, 0), as_key))) as as_key
    from placed
    group by identity_key, resource_key
),
seen as (
    select
        s.*,
        cast(case
            when s.rank = 3 then s.total
            -- what several users see of their accounts overlaps, what each of them owns does not
            when s.rank = 1 and s.users = 1 and s.account is not null
                then coalesce(a.records, case when s.is_counted then 0 end)
            when s.rank = 0 and s.is_own_known then s.own
        end as bigint) as visible
    from summed s
    left join account_counts a on a.account = s.account and a.resource_key = s.resource_key
)
select
    s.identity_key,
    s.resource_key,
    case when s.can_read then true when s.is_reading_decided then false end as can_read,
    case when s.can_write then true when s.is_writing_decided then false end as can_write,
    ['own', 'account', 'team', 'all'][s.rank + 1] as record_scope,
    ['own', 'account', 'team', 'all'][s.high + 1] as record_scope_high,
    s.visible as visible_records,
    case
        when s.rank < 2 then case when s.visible is not null then 0 end
        when s.is_owned and s.visible is not null then greatest(s.visible - coalesce(t.records, 0) - cast(s.lent as bigint), 0)
    end as foreign_records,
    concat_ws(
        '; ',
        case when s.as_key <> s.identity_key then 'by its live token of ' || u.name end,
        r.words,
        case when s.users > 1 then 'and as ' || (s.users - 1) || ' more' end
    ) as evidence
from seen s
join identities u on u.identity_key = s.as_key
join holder_sets h on h.as_key = s.as_key
join set_rights r on r.set_key = h.set_key and r.resource_key = s.resource_key
left join side_counts t on t.side = s.side and t.resource_key = s.resource_key
