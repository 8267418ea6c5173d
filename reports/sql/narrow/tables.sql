-- scans:
select * from main.scans;
-- company:
select * from main.company where kind = 'name';
-- tenants:
select t.* from main.tenants t where t.tenant_id in (select tenant_id from scope_identities) or t.provider = 'register';
-- coverage:
select c.provider, c.tenant_id, c.dataset, c.status,
       case when c.provider = 'register' then null else c.reason end as reason,
       c.missing_permission, c.call, c.history_from, c.collected_at
from main.coverage c
where c.tenant_id in (select tenant_id from scope_identities) or c.provider = 'register';
-- identities:
select i.* from main.identities i where i.identity_key in (select identity_key from scope_identities);
-- credentials:
select c.* from main.credentials c where c.identity_key in (select identity_key from scope_identities);
-- privileges:
select p.* from main.privileges p where p.identity_key in (select identity_key from scope_identities);
-- narrow_levels:
select n.* from main.narrow_levels n where n.identity_key in (select identity_key from scope_identities);
-- unused_privileges:
select u.* from main.unused_privileges u where u.identity_key in (select identity_key from scope_identities);
-- app_facts:
select a.* replace (cast(null as varchar) as partner_names)
from main.app_facts a
where a.identity_key in (select identity_key from scope_identities);
-- record_access:
select r.* from main.record_access r where r.identity_key in (select identity_key from scope_identities);
-- data_objects:
select d.* from main.data_objects d where d.resource_key in (select resource_key from record_access);
-- policies:
select l.* from main.policies l where l.policy_key in (select policy_key from privileges);
-- trusts:
select t.*
from main.trusts t
where t.identity_key in (select identity_key from scope_identities)
  and (
      t.principal_kind in ('any', 'service')
      or t.account in (select value from main.aliases where partner_id in (select partner_id from scope_partners))
      or t.account in (select value from main.company where kind = 'aws_account')
  );
-- partners:
select p.* from main.partners p where p.partner_id in (select partner_id from scope_partners where is_whole);
-- aliases:
select a.* from main.aliases a where a.partner_id in (select partner_id from scope_partners where is_whole);
-- contracts:
select c.* from main.contracts c where c.partner_id in (select partner_id from scope_partners where is_whole);
-- contract_tenants:
select t.* from main.contract_tenants t where t.contract_id in (select contract_id from contracts);
-- contract_events:
select e.* from main.contract_events e where e.contract_id in (select contract_id from contracts);
-- event_checkpoints:
select k.* from main.event_checkpoints k where k.contract_id in (select contract_id from contracts);
-- reviews:
select r.* from main.reviews r where r.partner_id in (select partner_id from scope_partners where is_whole);
-- review_facts:
select r.* from main.review_facts r where r.partner_id in (select partner_id from scope_partners where is_whole);
-- stage_owners:
select o.* from main.stage_owners o where o.partner_id in (select partner_id from scope_partners where is_whole);
-- offboarding_facts:
select o.* from main.offboarding_facts o where o.partner_id in (select partner_id from scope_partners where is_whole);
-- partner_holdings:
select h.* from main.partner_holdings h where h.partner_id in (select partner_id from scope_partners where is_whole);
-- step_facts:
select t.* from main.step_facts t where t.partner_id in (select partner_id from scope_partners where is_whole);
-- package_assignments:
select a.* from main.package_assignments a where a.partner_id in (select partner_id from scope_partners where is_whole);
-- packages:
select p.* from main.packages p where p.package_id in (select package_id from package_assignments);
-- attestations:
select a.* from main.attestations a where a.partner_id in (select partner_id from scope_partners where is_whole);
-- partner_tenants:
select t.*
from main.partner_tenants t
where t.partner_id in (select partner_id from scope_partners)
  and t.tenant_id in (select tenant_id from scope_identities);
-- identity_partners:
select p.*
from main.identity_partners p
where p.identity_key in (select identity_key from scope_identities)
  and p.partner_id in (select partner_id from scope_partners);
-- identity_owners:
select o.*
from main.identity_owners o
where o.identity_key in (select identity_key from scope_identities)
  and (not exists (select 1 from scope_mails) or lower(o.mail) in (select lower(mail) from scope_mails));
-- hidden:
select s.identity_key,
       (
           select count(distinct p.partner_id)
           from main.identity_partners p
           where p.identity_key = s.identity_key
             and p.verdict = 'asserted'
             and p.partner_id not in (select partner_id from scope_partners)
       ) as partners,
       (
           select count(*)
           from main.identity_partners p
           where p.identity_key = s.identity_key
             and p.verdict <> 'asserted'
             and p.partner_id not in (select partner_id from scope_partners)
       ) as claims,
       (select count(*) from main.identity_owners o where o.identity_key = s.identity_key)
       - (select count(*) from identity_owners o where o.identity_key = s.identity_key) as owners,
       (select count(*) from main.trusts t where t.identity_key = s.identity_key)
       - (select count(*) from trusts t where t.identity_key = s.identity_key) as trusts
from scope_identities s;
-- identity_facts:
with one as (
    select identity_key, min(partner_id) as partner_id, count(distinct partner_id) as partners
    from identity_partners
    where verdict = 'asserted'
    group by identity_key
)
select i.* replace (
           case when i.partner_id in (select partner_id from scope_partners) then i.partner_id else o.partner_id end as partner_id,
           case when i.partner_id in (select partner_id from scope_partners) then i.partner_name end as partner_name,
           case when i.partner_id in (select partner_id from scope_partners) then i.partner_role end as partner_role,
           null::varchar as partner_evidence,
           coalesce(o.partners, 0) as partner_count,
           case when i.partner_id in (select partner_id from scope_partners) then i.contract_is_ended end as contract_is_ended,
           case when i.partner_id in (select partner_id from scope_partners) then i.contract_ended_at end as contract_ended_at,
           case when i.partner_id in (select partner_id from scope_partners) then i.contract_last_day end as contract_last_day,
           case when i.partner_id in (select partner_id from scope_partners) then i.contract_revoke_by end as contract_revoke_by,
           case when i.partner_id in (select partner_id from scope_partners where is_whole) then i.contract_id end as contract_id,
           case when i.partner_id in (select partner_id from scope_partners where is_whole) then i.contract_reason end as contract_reason,
           case when i.partner_id in (select partner_id from scope_partners where is_whole) then i.contract_row end as contract_row,
           case when i.partner_id in (select partner_id from scope_partners) then i.use_after_end_at end as use_after_end_at
       )
from main.identity_facts i
left join one o on o.identity_key = i.identity_key
where i.identity_key in (select identity_key from scope_identities);
-- credential_facts:
select c.* from main.credential_facts c where c.identity_key in (select identity_key from scope_identities);
-- partner_facts:
with held as (
    select p.partner_id, count(*) as identities, sum(i.live_credentials)::bigint as live_credentials, max(i.level) as level,
           max(i.last_used_at) as last_used_at
    from (select distinct partner_id, identity_key from identity_partners where verdict = 'asserted') p
    join identity_facts i on i.identity_key = p.identity_key
    group by p.partner_id
)
select f.* replace (
           coalesce(h.identities, 0) as identities,
           coalesce(h.live_credentials, 0) as live_credentials,
           h.level as level,
           h.last_used_at as last_used_at,
           case when s.is_whole then f.business_owner end as business_owner,
           case when s.is_whole then f.business_owner_status end as business_owner_status,
           case when s.is_whole then f.register_row end as register_row
       )
from main.partner_facts f
join scope_partners s on s.partner_id = f.partner_id
left join held h on h.partner_id = f.partner_id;
-- rules:
select * from main.rules;
-- rule_controls:
select * from main.rule_controls;
-- findings:
select f.* replace (
           coalesce(
               case when f.partner_id in (select partner_id from scope_partners) then f.partner_id end,
               case when f.subject_kind <> 'partner' then i.partner_id end
           ) as partner_id
       )
from main.findings f
left join (select identity_id, min(partner_id) as partner_id from identity_facts group by identity_id) i
  on i.identity_id = f.identity_id
where (f.subject_kind = 'partner' and f.subject_id in (select partner_id from scope_partners where is_whole))
   or (
       f.subject_kind in ('resource', 'integration', 'leak')
       and (
           f.partner_id in (select partner_id from scope_partners where is_whole)
           or lower(f.owner_mail) in (select lower(mail) from scope_mails)
       )
   )
   or (
       f.subject_kind in ('identity', 'credential', 'leak')
       and f.identity_id in (select identity_id from scope_identities)
       -- whether another partner's contract has ended is that partner's business
       and (
           f.partner_id is null
           or f.partner_id in (select partner_id from scope_partners)
           or f.rule_id not in ('off-contract-ended-access', 'off-used-after-contract-end')
       )
   );
-- finding_evidence:
-- the register's coverage counts rows of everybody
select e.*
from main.finding_evidence e
where e.finding_id in (select finding_id from findings)
  and e.label <> 'coverage of the register';
-- acceptances:
select a.*
from main.acceptances a
where a.partner_id in (select partner_id from scope_partners where is_whole)
   or a.acceptance_id in (select acceptance_id from findings where acceptance_id is not null);
-- cases:
with ranked as (
    select f.*,
           row_number() over (
               partition by f.case_id
               order by f.finding_id = c.lead_finding_id desc,
                        case f.severity when 'critical' then 0 when 'high' then 1 when 'medium' then 2 when 'low' then 3 else 4 end,
                        f.score_low desc nulls last, f.finding_id
           ) as n
    from findings f
    join main.cases c on c.case_id = f.case_id
    where f.outcome = 'fail'
),
rolled as (
    select case_id, count(*) as findings,
           least(100, max(score) + 5 * log2(1 + (round(sum(score), 6) - max(score)) / 100)) as score,
           least(100, max(score_low) + 5 * log2(1 + (round(sum(score_low), 6) - max(score_low)) / 100)) as score_low
    from ranked
    group by case_id
)
select c.* replace (
           f.partner_id as partner_id,
           f.finding_id as lead_finding_id,
           f.rule_id as lead_rule_id,
           f.message as message,
           f.severity as severity,
           r.findings as findings,
           case when r.findings = c.findings then c.score else r.score end as score,
           case when r.findings = c.findings then c.score_low else r.score_low end as score_low,
           case when r.findings = c.findings then c.band else f.band end as band
       )
from main.cases c
join ranked f on f.case_id = c.case_id and f.n = 1
join rolled r on r.case_id = c.case_id
