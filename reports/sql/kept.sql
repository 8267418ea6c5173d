-- how many records of the register stand behind a control
select 'partners' as holds, count(*) as records from partners
union all
select 'partners with due diligence', count(*) from partners where due_diligence_at is not null
union all
select 'partners with tier and criticality', count(*) from partners where risk_tier is not null and criticality is not null
union all
select 'contracts', count(*) from contracts
union all
select 'contract events', count(*) from contract_events
union all
select 'package assignments', count(*) from package_assignments
union all
select 'stage owners', count(*) from stage_owners
union all
select 'completed reviews', count(*) from reviews where completed_at is not null
union all
select 'attestations', count(*) from attestations
union all
select 'accepted risks', count(*) from acceptances
union all
select 'incidents', count(*) from incidents
union all
select 'offboardings', count(*) from offboardings
union all
select 'verified offboardings', count(*) from offboarding_facts where verified_at is not null
order by holds
