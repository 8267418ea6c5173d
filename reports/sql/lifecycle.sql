-- One row a partner of the register: its stage, who answers for that, and whether reviews and attestations are on time
with said as (
    select subject_id as partner_id,
           max(outcome) filter (rule_id = 'gov-review-overdue') as review,
           max(message) filter (rule_id = 'gov-review-overdue') as review_message,
           max(outcome) filter (rule_id = 'gov-attestation-overdue') as attestation,
           max(message) filter (rule_id = 'gov-attestation-overdue') as attestation_message
    from findings
    where subject_kind = 'partner'
      and status <> 'fixed'
      and rule_id in ('gov-review-overdue', 'gov-attestation-overdue')
    group by subject_id
),
answered as (
    select bool_or(rule_id = 'gov-review-overdue') as reviews, bool_or(rule_id = 'gov-attestation-overdue') as attestations
    from rule_results
    where not_assessed is null and passed + failed > 0
),
-- of kinds that count apart, the one that runs out first
stated as (
    select partner_id, min(valid_to) as attested_to
    from (select partner_id, kind, max(valid_to) as valid_to from attestations group by partner_id, kind)
    group by partner_id
)
select f.partner_id, f.name, f.stage, f.is_ended, f.ended_at, f.has_access, f.is_renewal_unconfirmed, f.contracts,
       f.contracts_in_force, f.has_draft_only, f.business_owner,
       o.owners as stage_owners, o.left_owners as stage_owners_left,
       d.review_message, d.attestation_message, v.reviewed_at,
       case
           when d.review is not null then d.review
           when a.reviews and f.has_access and not coalesce(f.is_ended, false) then 'pass'
       end as review,
       t.attested_to,
       case
           when d.attestation is not null then d.attestation
           when a.attestations and f.has_access and not coalesce(f.is_ended, false) then 'pass'
       end as attestation
from partner_facts f
join (select distinct partner_id from partners) p on p.partner_id = f.partner_id
cross join answered a
left join said d on d.partner_id = f.partner_id
left join stated t on t.partner_id = f.partner_id
left join (
    select partner_id, max(completed_at) filter (scope = 'access') as reviewed_at from review_facts group by partner_id
) v on v.partner_id = f.partner_id
left join (
    select partner_id, stage,
           string_agg(mail, ', ' order by mail) filter (person_status <> 'left') as owners,
           string_agg(mail, ', ' order by mail) filter (person_status = 'left') as left_owners
    from stage_owners
    group by partner_id, stage
) o on o.partner_id = f.partner_id and o.stage = case f.stage when 'ended' then 'offboarding' else f.stage end
order by f.name, f.partner_id
