-- every partner that a case concerns: the one it is filed under, and others that hold the same identity
create temp table case_partners as
select case_id, partner_id
from cases
where partner_id is not null
union
select c.case_id, p.partner_id
from cases c
join identities i on i.identity_id = c.subject_id
join identity_partners p on p.identity_key = i.identity_key
where c.subject_kind = 'identity'
  and p.verdict = 'asserted'
  and c.lead_rule_id not in ('off-contract-ended-access', 'off-used-after-contract-end');
create temp table if not exists hidden (
    identity_key bigint,
    partners bigint,
    claims bigint,
    owners bigint,
    trusts bigint
)
