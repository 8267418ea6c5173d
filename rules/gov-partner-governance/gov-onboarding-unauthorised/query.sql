-- Partners that hold access, or may hold it, and whose contract has not ended. Who may let partners in is judged once the register says it
-- of anybody; approvals once half of the partners have one. A former address is its person.
with fields as (
    select
        max(case when holds = 'people' and field = 'can_onboard' and filled > 0 then 1 else 0 end) as has_rights,
        max(case when holds = 'partners' and field = 'onboarding_approved_by' and 2 * filled >= rows then 1 else 0 end)
            as has_approvals
    from register_fields
),
present as (
    select
        lower(trim(mail)) as mail,
        max(case when can_onboard then 1 else 0 end) as may,
        max(case when side = 'partner' or (side is null and partner_id is not null) then 1 else 0 end) as is_partner
    from people
    group by lower(trim(mail))
),
persons as (
    select
        mail as address,
        mail,
        may,
        is_partner
    from present
    union all
    select
        lower(trim(o.old_mail)),
        min(p.mail),
        max(p.may),
        max(p.is_partner)
    from person_mails o
    join present p on p.mail = lower(trim(o.mail))
    where lower(trim(o.old_mail)) not in (select mail from present)
    group by lower(trim(o.old_mail))
    having count(distinct p.mail) = 1
),
made as (
    select
        a.partner_id,
        count(*) as identities,
        min(f.created_by) as example
    from (
        select distinct partner_id, identity_key
        from identity_partners
        where verdict = 'asserted'
    ) a
    join identity_facts f on f.identity_key = a.identity_key
    join persons c on c.address = lower(trim(f.created_by))
    where f.has_access
        and c.is_partner = 1
        and c.may = 0
    group by a.partner_id
),
looked as (
    select
        p.*,
        case
            when f.has_rights = 1 and p.onboarded_by is not null and coalesce(w.may, 0) = 0
                then p.onboarded_by || ', who let it in, may not'
            when f.has_approvals = 1 and p.onboarding_approved_by is null and p.onboarded_by is not null
                then 'nobody approved that ' || p.onboarded_by || ' let it in'
            when coalesce(w.mail, p.onboarded_by) = coalesce(a.mail, p.onboarding_approved_by)
                then p.onboarded_by || ' let it in and approved that'
            when a.is_partner = 1 then p.onboarding_approved_by || ', who approved its onboarding, is a person of a partner'
            when p.first_access_at < p.onboarded_at
                then 'its first access is of ' || cast(cast(p.first_access_at as date) as varchar) || ', and it was let in on '
                    || cast(cast(p.onboarded_at as date) as varchar)
            when m.identities > 0
                then cast(m.identities as varchar) || ' of its identities were made by a partner''s people, such as ' || m.example
        end as problem
    from partner_facts p
    cross join fields f
    left join persons w on w.address = lower(trim(p.onboarded_by))
    left join persons a on a.address = lower(trim(p.onboarding_approved_by))
    left join made m on m.partner_id = p.partner_id
    where coalesce(p.has_access, true)
        and not coalesce(p.is_ended and p.contracts > 0, false)
)
select
    l.partner_id as subject_id,
    cast(null as varchar) as tenant_id,
    case
        when l.problem is not null and l.has_access then 'fail'
        when l.problem is not null or l.has_access is null or l.onboarded_by is null then 'unknown'
        else 'pass'
    end as outcome,
    l.name as partner,
    l.problem,
    l.onboarded_at as onboarded,
    l.onboarded_by,
    l.onboarding_approved_by as approved_by,
    l.first_access_at as first_access
from looked l
