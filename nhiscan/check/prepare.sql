-- Working tables of one run of check.
create or replace temp macro finding_id_of(rule_id, subject_id) as
    substr(sha256(rule_id || chr(10) || subject_id), 1, 20);
create or replace temp macro case_id_of(subject_kind, subject_id) as
    substr(
        sha256(
            'case' || chr(10) || case when subject_kind in ('credential', 'leak') then 'identity' else subject_kind end
            || chr(10) || subject_id
        ),
        1,
        20
    );
-- Read of places that hold texts, of which each may hold a secret of any tenant.
create or replace temp macro is_of_places(dataset) as
    dataset in ('sightings.files', 'sightings.history', 'sightings.imports');
-- Read of what is in a system, where it may hold a secret of another one.
create or replace temp macro is_of_settings(dataset) as
    dataset in ('sightings.environment', 'sightings.user_data', 'sightings.parameters', 'sightings.tags');
-- Of all tenants together: places and settings for what may stand in them, and the values of stores for what is in a place.
create or replace temp macro is_elsewhere(dataset) as
    is_of_places(dataset) or is_of_settings(dataset) or dataset = 'stored_secrets.fingerprints';
create or replace temp macro use_in_words(used_at, is_known, source, horizon) as
    case
        when used_at is not null then strftime(used_at, '%Y-%m-%d %H:%M')
        when is_known then 'never, as far as the source reaches'
        else 'cannot be known from this source'
    end
    || coalesce(', from ' || source, '')
    || coalesce(', history since ' || strftime(horizon, '%Y-%m-%d'), '');
-- As Python's shlex.quote does it.
create or replace temp macro shell_quoted(word) as
    case
        when regexp_full_match(word, '[a-zA-Z0-9@%+=:,./_-]+') then word
        else '''' || replace(word, '''', '''"''"''') || ''''
    end;
create or replace temp table run_rules (
    rule_id varchar,
    subject varchar,
    severity varchar,
    confidence double,
    exposure double,
    floor_at double,
    tie_break bigint,
    not_assessed varchar
);
create or replace temp table run_uses (
    rule_id varchar,
    dataset varchar,
    used varchar
);
create or replace temp table run_totals (
    rule_id varchar,
    provider varchar,
    judged bigint
);
create or replace temp table run_judged (
    finding_id varchar,
    rule_id varchar,
    subject_id varchar,
    tenant_id varchar,
    outcome varchar,
    severity varchar,
    exposure double,
    message varchar,
    uncovered varchar
);
create or replace temp table run_vanished (
    finding_id varchar,
    uncovered varchar
);
create or replace temp table run_dataset_coverage (
    tenant_id varchar,
    dataset varchar,
    is_covered boolean,
    is_failing boolean,
    was_covered boolean,
    in_words varchar
);
create or replace temp table run_tenants (
    tenant_id varchar
);
create or replace temp table run_gaps (
    rule_id varchar,
    scope varchar,
    needs varchar,
    absence varchar,
    was_absence_covered boolean,
    either varchar,
    gone varchar
);
create or replace temp table run_dropped (
    rule_id varchar,
    in_words varchar
);
create or replace temp table run_dirt (
    rule_id varchar,
    partner_id varchar,
    datasets varchar,
    in_words varchar
);
create or replace temp view run_subjects as
select 'identity' as kind, identity_id as subject_id, partner_id from identity_facts
union all
select 'credential', credential_id, partner_id from credential_facts
union all
select 'leak', leak_id, partner_id from leak_facts
union all
select 'partner', partner_id, partner_id from partner_facts;
create or replace temp table run_previous as
select
    *,
    false as is_established,
    false as is_standing
from findings
where false;
