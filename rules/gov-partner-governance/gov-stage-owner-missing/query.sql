-- Partners that are in some stage or hold access, or may hold it; whoever has reached the end has no stage left. Owners are judged once
-- the register names one for any stage; somebody who is not among its people may still work here.
with named as (
    select count(*) as owners
    from ownerships
    where role like 'stage:%'
),
stages as (
    select
        partner_id,
        stage,
        max(case person_status when 'active' then 2 when 'unknown' then 1 else 0 end) as standing
    from stage_owners
    where stage in $stages
    group by partner_id, stage
),
owned as (
    select
        partner_id,
        sum(case when standing = 2 then 1 else 0 end) as active,
        sum(case when standing >= 1 then 1 else 0 end) as possible,
        max(case when stage = 'offboarding' then standing end) as offboarding,
        max(case when stage = 'onboarding' then standing end) as onboarding,
        max(case when stage = 'enablement' then standing end) as enablement,
        max(case when stage = 'measurement' then standing end) as measurement
    from stages
    group by partner_id
),
offboarding as (
    select max(case when 'offboarding' in $stages then 1 else 0 end) as is_asked
    from scans
),
looked as (
    select
        p.*,
        n.owners,
        coalesce(o.active, 0) as active,
        coalesce(o.possible, 0) as possible,
        case when a.is_asked = 1 and coalesce(o.offboarding, 0) = 0 then 1 else 0 end as lacks_offboarding,
        o.offboarding,
        o.onboarding,
        o.enablement,
        o.measurement
    from partner_facts p
    cross join named n
    cross join offboarding a
    left join owned o on o.partner_id = p.partner_id
    where (p.stage is not null or coalesce(p.has_access, true))
        and coalesce(p.stage <> 'ended', true)
)
select
    l.partner_id as subject_id,
    cast(null as varchar) as tenant_id,
    case
        when l.owners > 0 and l.possible < $stages_count then 'fail'
        when l.stage is null and l.has_access then 'fail'
        when l.stage is null or l.owners = 0 or l.active < $stages_count then 'unknown'
        else 'pass'
    end as outcome,
    case when l.owners > 0 and l.lacks_offboarding = 1 then 'high' else 'medium' end as severity,
    l.name as partner,
    case
        when l.owners > 0 and l.possible < $stages_count
            then 'nobody who works here answers for ' || cast($stages_count - l.possible as varchar) || ' of its '
                || cast($stages_count as varchar) || ' stages'
                || case when l.lacks_offboarding = 1 then ', the offboarding among them' else '' end
                || case when l.stage is null then '; which it is in is not noted' else '' end
        else 'it holds access and which stage it is in is not noted'
    end as problem,
    l.stage,
    case l.onboarding when 2 then 'active' when 1 then 'not among our people' when 0 then 'has left' else 'nobody' end
        as owner_of_onboarding,
    case l.enablement when 2 then 'active' when 1 then 'not among our people' when 0 then 'has left' else 'nobody' end
        as owner_of_enablement,
    case l.measurement when 2 then 'active' when 1 then 'not among our people' when 0 then 'has left' else 'nobody' end
        as owner_of_measurement,
    case l.offboarding when 2 then 'active' when 1 then 'not among our people' when 0 then 'has left' else 'nobody' end
        as owner_of_offboarding
from looked l
