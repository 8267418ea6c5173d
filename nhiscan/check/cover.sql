-- What is not covered in rule_scopes, by rule and scope and by what relies on it.
insert into run_gaps
with reads as (
    select
        s.rule_id,
        s.scope,
        u.dataset,
        u.used,
        case
            -- a place is searched or it is not: what only another scanner searched is no clean place
            when is_of_places(u.dataset) and s.tenant_id like 'files:%' then not coalesce(c.is_covered, false)
            when u.used in ('soft', 'if_offered') then coalesce(c.is_failing, false)
            else not coalesce(c.is_covered, false)
        end as is_gap,
        coalesce(c.was_covered, false) as was_covered
    from rule_scopes s
    join run_uses u on u.rule_id = s.rule_id
    left join run_dataset_coverage c
        on c.dataset = u.dataset
        and c.tenant_id = case
            when u.dataset like 'register.%' then '*'
            -- what a rule needs of settings it judges there, and a place has none
            when is_of_settings(u.dataset) and u.used <> 'if_offered' then s.tenant_id
            when is_of_places(u.dataset) <> (s.tenant_id like 'files:%') and is_elsewhere(u.dataset) then '*'
            else s.tenant_id
        end
    where s.tenant_id is not null
        or u.dataset like 'register.%'
    union all
    -- a row about this partner was quarantined (of partners itself, the row that stands is what counts)
    select
        s.rule_id,
        s.scope,
        u.dataset,
        u.used,
        true,
        false
    from rule_scopes s
    join quarantine q
        on q.partner_id = s.scope
        and q.row_dropped
    join register_files f
        on f.file = q.file
        and f.holds <> 'partners'
    join run_uses u
        on u.rule_id = s.rule_id
        and u.dataset = 'register.' || f.holds
        and u.used <> 'soft'
)
select
    rule_id,
    scope,
    string_agg(distinct dataset, ', ' order by dataset) filter (where used in ('needs', 'if_offered')) as needs,
    string_agg(distinct dataset, ', ' order by dataset) filter (where used = 'absence') as absence,
    coalesce(bool_and(was_covered) filter (where used = 'absence'), true) as was_absence_covered,
    string_agg(distinct dataset, ', ' order by dataset) filter (where used in ('needs', 'if_offered', 'absence')) as either,
    string_agg(distinct dataset, ', ' order by dataset) filter (where used <> 'absence') as gone
from reads
where is_gap
group by rule_id, scope;
insert into run_dropped
select distinct
    s.rule_id,
    u.dataset || ': ' || q.file || ':' || q.line || ' was not accepted: ' || q.problem
from rule_scopes s
join quarantine q
    on q.partner_id = s.scope
    and q.row_dropped
join register_files f
    on f.file = q.file
    and f.holds <> 'partners'
join run_uses u
    on u.rule_id = s.rule_id
    and u.dataset = 'register.' || f.holds
    and u.used in ('needs', 'absence');
