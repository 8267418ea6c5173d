-- Findings of the scan before that are gone now, and what was not covered that would have shown them. A finding of a partner of
-- whom the register lost a row is not gone for good: who stands behind the subject may have been lost with it.
delete from run_vanished;
insert into run_vanished
with dropped as (
    select distinct
        q.partner_id,
        f.holds
    from quarantine q
    join register_files f on f.file = q.file
    where q.row_dropped
        -- the register's words for a row that repeats another to the letter: nothing was lost with it
        and q.problem not like 'says the same as %'
),
lost as (
    select
        partner_id,
        'register.' || holds as dataset
    from dropped
    where partner_id is not null
        and (holds <> 'partners' or partner_id not in (select partner_id from partners))
    union
    -- a row of which not even the partner could be read may have been that of any partner who is missing now
    select
        partner_id,
        'register.partners'
    from run_previous
    where partner_id not in (select partner_id from partners)
        and exists (select 1 from dropped where holds = 'partners' and partner_id is null)
),
relied_on as (
    select
        u.rule_id,
        l.partner_id,
        string_agg(distinct l.dataset, ', ' order by l.dataset) as datasets
    from lost l
    join run_uses u on u.dataset = l.dataset
    group by u.rule_id, l.partner_id
),
-- a place that nobody searches any more may still hold what it held
unsearched as (
    select
        u.rule_id,
        string_agg(distinct u.dataset, ', ' order by u.dataset) as datasets
    from run_uses u
    where u.used in ('needs', 'if_offered')
        and is_of_places(u.dataset)
        and exists (
            select 1
            from run_previous p
            where p.tenant_id like 'files:%'
                and p.tenant_id not in (
                    select tenant_id
                    from coverage
                    where dataset = 'sightings.files'
                        and status <> 'unsupported'
                )
        )
    group by u.rule_id
)
select
    p.finding_id,
    coalesce(r.not_assessed, g.gone, l.datasets, n.datasets)
from run_previous p
join run_rules r on r.rule_id = p.rule_id
left join run_gaps g
    on g.rule_id = p.rule_id
    and g.scope = case when p.subject_kind = 'partner' then p.subject_id else p.tenant_id end
left join unsearched n on n.rule_id = p.rule_id
left join relied_on l on l.rule_id = p.rule_id and l.partner_id = p.partner_id
where p.finding_id not in (select finding_id from run_judged);
