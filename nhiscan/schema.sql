-- The analysts' reference: every table and column of a scan. What follows `--` on a line becomes its comment in the database.
-- Collected tables are never updated; what is derived stands in tables of its own.

create table coverage ( -- how completely each dataset of each tenant was read; a dataset without a row was not looked at
    provider varchar, -- aws, vault, salesforce, register, ...
    tenant_id varchar, -- <provider>:<tenant>
    dataset varchar, -- what was read, from a closed list
    status varchar, -- state, from a closed list
    reason varchar, -- why, in words
    missing_permission varchar, -- permission whose lack hides rows
    call varchar, -- provider call that failed or was made
    history_from timestamp, -- oldest event the source still holds
    collected_at timestamp, -- when it was read
    original_status varchar -- status when it was read, of a carried dataset
);

create table tenants ( -- accounts, orgs and mounts that were reached or that nhiscan.toml calls ours
    tenant_id varchar, -- <provider>:<tenant>
    provider varchar, -- aws, vault, salesforce, register, ...
    name varchar -- name
);

create table identities ( -- principals, human or not; groups included
    identity_key bigint, -- dense key inside this scan
    identity_id varchar, -- stable id <provider>:<tenant>:<kind>/<native id>
    provider varchar, -- aws, vault, salesforce, register, ...
    tenant_id varchar, -- <provider>:<tenant>
    kind varchar, -- kind, from a closed list
    name varchar, -- name
    native_id varchar, -- the provider's own id
    is_nhi boolean, -- null: the source does not tell a person from a machine
    status varchar, -- state, from a closed list
    mail varchar, -- address
    purpose varchar, -- what it is for
    environment varchar, -- prod, staging, test, dev or sandbox
    is_provider_owned boolean, -- made and run by the provider
    created_at timestamp, -- creation
    last_used_at timestamp, -- last use; null and last_used_known: never used
    last_used_known boolean, -- the source can say
    last_used_source varchar, -- where the date is from, and how fine it is
    has_console_password boolean, -- a person can sign in interactively
    mfa_state varchar, -- registered, none or null
    is_external boolean, -- the provider itself calls it an outsider: by licence, guest mark or tenant
    licence varchar, -- internal, partner, customer, integration or guest
    is_installed boolean, -- of an app; false: removed, though tokens or rights of it may live
    role_changed_at timestamp, -- when its role last changed
    derived_from varchar, -- no list holds it: what it was concluded from, and how far back that reaches
    is_ai_agent boolean, -- a model acts through it; null: the source does not say
    invited_at timestamp, -- when it was asked to join
    created_by varchar -- mail address, name or native id of whoever made it, as the provider writes it
);

create table signs ( -- what an identity shows of whose it is, in the words of aliases
    identity_key bigint, -- the identity
    kind varchar, -- a kind of alias: salesforce_account, hubspot_company, client_id, publisher, ...
    value varchar -- value
);

create table tags ( -- labels that the provider keeps on an identity
    identity_key bigint, -- the identity
    name varchar, -- name
    value varchar -- value
);

create table credentials ( -- metadata of credentials, never a value
    credential_key bigint, -- dense key inside this scan
    credential_id varchar, -- stable id
    identity_key bigint, -- the identity
    provider varchar, -- aws, vault, salesforce, register, ...
    tenant_id varchar, -- <provider>:<tenant>
    kind varchar, -- kind, from a closed list
    native_id varchar, -- the provider's own id
    status varchar, -- state, from a closed list
    is_replaceable boolean, -- can be rotated by whoever holds it
    service varchar, -- the only service that it opens; null: not limited to one
    created_at timestamp, -- creation
    expires_at timestamp, -- expiry
    expiry_known boolean, -- false: the source cannot say
    last_used_at timestamp, -- last use; null and last_used_known: never used
    last_used_known boolean, -- the source can say
    last_used_source varchar, -- where the date is from, and how fine it is
    max_ttl_s bigint, -- longest life that renewals can give it, in seconds; 0: no limit set
    period_s bigint, -- life that each renewal gives again without end, in seconds
    is_network_bound boolean, -- works only from named networks; null: cannot be said
    app_key bigint -- app that holds it and acts as the identity with it
);

create table app_settings ( -- how an OAuth app gets and keeps its tokens
    identity_key bigint, -- the app
    flows varchar, -- switched on, separated by commas: code, implicit, password, device, jwt_bearer, client_credentials, ...
    is_public boolean, -- it has no secret, or need not show it
    is_pkce_required boolean, -- a code is worthless without its verifier
    refresh_policy varchar, -- never_expires, idle_days, fixed_days or immediate
    refresh_days bigint, -- days of idle_days and fixed_days
    is_refresh_rotated boolean, -- each use replaces the refresh token
    is_approved_users_only boolean, -- an administrator says who may use it; false: whoever consents
    is_network_bound boolean, -- its tokens work from named networks only
    is_refresh_network_bound boolean -- its refresh tokens work from named networks only
);

create table app_scopes ( -- OAuth scopes that an app may ask for
    identity_key bigint, -- the app
    scope varchar, -- the provider's name
    gives varchar -- of the user's rights: all, data, self or none; null: not known
);

create table auth_roles ( -- how a vault lets somebody log in as an identity
    identity_key bigint, -- the identity
    method varchar, -- approle, jwt, oidc, kubernetes, cert, userpass, token, ...
    mount varchar, -- path of the auth method
    token_ttl_s bigint, -- first life of its tokens in seconds; 0: the mount's default
    token_max_ttl_s bigint, -- longest life of its tokens in seconds; 0: the mount's maximum
    token_period_s bigint, -- period of its tokens in seconds; 0: not periodic
    secret_ttl_s bigint, -- life of its secret ids in seconds; 0: they never expire
    secret_uses bigint, -- uses of its secret ids; 0: without limit
    is_secret_required boolean, -- false: the role id alone logs in
    bound_networks varchar, -- networks it can log in from, separated by commas; empty: any
    bound_audiences varchar, -- audiences asked for; empty: none
    bound_subjects varchar, -- subjects, service accounts or names asked for; empty: none
    bound_claims varchar -- further claims asked for; empty: none
);

create table memberships ( -- who is in which group
    identity_key bigint, -- the identity
    group_key bigint -- the group
);

create table policies ( -- policy documents at the version in force
    policy_key bigint, -- dense key inside this scan
    policy_id varchar, -- stable id
    provider varchar, -- aws, vault, salesforce, register, ...
    tenant_id varchar, -- <provider>:<tenant>
    kind varchar, -- kind, from a closed list
    name varchar, -- name
    native_id varchar, -- the provider's own id
    document varchar -- as the provider writes it
);

create table policy_bindings ( -- which policy applies to which identity or group, and in which role
    policy_key bigint, -- the policy
    identity_key bigint, -- the identity
    role varchar -- role, from a closed list
);

create table trusts ( -- who may become whom: one row a principal and statement
    trust_key bigint, -- dense key inside this scan
    trust_id varchar, -- stable id
    identity_key bigint, -- the identity
    tenant_id varchar, -- <provider>:<tenant>
    mechanism varchar, -- assume_role, oidc, saml, service, kubernetes or cert
    principal_kind varchar, -- any, account, identity, service, oidc, saml, kubernetes or cert
    principal varchar, -- as written in the policy
    account varchar, -- account number of the principal, or the only one to which conditions narrow anybody
    issuer varchar, -- address or name of the issuer
    external_id_check varchar, -- none, pinned or weak
    audience_check varchar, -- none, pinned or weak
    subject_check varchar, -- none, pinned, owner (an organisation, whichever project) or weak
    narrowed_by varchar, -- condition keys that narrow who the principal can be
    has_other_conditions boolean, -- conditions that this tool does not weigh
    statement varchar -- the statement, as JSON
);

create table trust_conditions ( -- conditions of a trust, one row a value
    trust_key bigint, -- the trust
    operator varchar, -- condition operator
    name varchar, -- name
    value varchar -- value
);

create table issuers ( -- OIDC and SAML providers whose tokens a tenant accepts
    issuer_id varchar, -- stable id
    provider varchar, -- aws, vault, salesforce, register, ...
    tenant_id varchar, -- <provider>:<tenant>
    kind varchar, -- kind, from a closed list
    issuer varchar, -- address or name of the issuer
    created_at timestamp -- creation
);

create table issuer_audiences ( -- client ids that an issuer is registered with
    issuer_id varchar, -- stable id
    audience varchar -- client id
);

create table resources ( -- what is protected, and the workloads that act as an identity
    resource_key bigint, -- dense key inside this scan
    resource_id varchar, -- stable id
    provider varchar, -- aws, vault, salesforce, register, ...
    tenant_id varchar, -- <provider>:<tenant>
    kind varchar, -- bucket, key, queue, topic, function, task, instance, project, secret, parameter, mount, ...
    name varchar, -- name
    native_id varchar, -- the provider's own id
    region varchar, -- region
    environment varchar, -- prod, staging, test, dev or sandbox
    runs_as_key bigint, -- identity that a workload acts as
    encrypted_at_rest varchar, -- none, provider or customer_key; null: cannot be said
    encrypted_in_transit varchar, -- enforced, optional or none; null: cannot be said
    audience varchar -- who can read its texts: internal, partner or public; null: cannot be said
);

create table resource_tags ( -- labels that the provider keeps on a resource
    resource_key bigint, -- the resource
    name varchar, -- name
    value varchar -- value
);

create table stored_secrets ( -- metadata of secrets in stores, never a value
    resource_key bigint, -- the secret as a resource
    kind varchar, -- secret, parameter, kv1, kv2, database_role, ...
    version bigint, -- newest version
    created_at timestamp, -- creation
    updated_at timestamp, -- when the value changed
    last_used_at timestamp, -- last read of the value; null and last_used_known: never
    last_used_known boolean, -- the source can say
    expires_at timestamp, -- expiry
    is_rotated boolean, -- the store rotates it by itself
    rotation_days bigint, -- days between rotations
    rotated_at timestamp, -- last rotation by the store
    fingerprint varchar -- keyed hash of the value, only where that was asked for
);

create table grants ( -- what somebody may do to a resource or tenant, as the resource's own policy or a delegation says it
    grant_id varchar, -- stable id
    provider varchar, -- aws, vault, salesforce, register, ...
    tenant_id varchar, -- <provider>:<tenant>
    principal_kind varchar, -- any, account, identity, organization, service or federated
    principal varchar, -- as written
    permission varchar, -- native permissions, separated by commas
    resource_key bigint, -- the resource; null: the tenant
    identity_key bigint, -- the principal, where it is in the inventory
    account varchar, -- account number of the principal, or the only one to which conditions narrow anybody
    narrowed_by varchar, -- condition keys that narrow who the principal can be
    has_other_conditions boolean, -- conditions that this tool does not weigh
    granted_at timestamp, -- when
    expires_at timestamp, -- expiry
    last_used_at timestamp, -- last use; null and last_used_known: never used
    last_used_known boolean, -- the source can say
    source varchar, -- what says so: policy, delegation, analyzer, ...
    statement varchar, -- the statement, as written
    record_scope varchar -- own, account, team or all of the records; null: as the sharing of the object says
);

create table data_objects ( -- objects of a CRM and fields of them
    resource_key bigint, -- the object or field as a resource
    object varchar, -- API name of the object
    field_name varchar, -- API name of the field; null: the object itself
    internal_sharing varchar, -- what every insider may do with each record: private, read, write or parent
    external_sharing varchar, -- what every outsider may do with each record: private, read, write or parent
    is_guarded boolean, -- an active rule or trigger refuses changes of the field, or of the object's core fields
    records bigint -- how many there are
);

create table record_counts ( -- how many records of an object somebody owns; counts only
    resource_key bigint, -- the object
    identity_key bigint, -- the owner; null: somebody who was not collected
    records bigint -- how many
);

create table partner_accounts ( -- companies that a CRM holds as partners of ours
    provider varchar, -- aws, vault, salesforce, register, ...
    tenant_id varchar, -- <provider>:<tenant>
    account_id varchar, -- the CRM's own id
    name varchar, -- name
    domain varchar, -- of its website
    owner_mail varchar, -- address
    parent_account_id varchar, -- account above it
    is_active boolean -- still a partner there
);

create table sightings ( -- secrets seen in text, never a value
    sighting_id varchar, -- stable id
    provider varchar, -- aws, vault, salesforce, register, ...
    tenant_id varchar, -- <provider>:<tenant>
    where_kind varchar, -- environment, user_data, tag, parameter, ci_variable, file, shared, repo, pipeline or repo_history
    location varchar, -- where, in words
    kind varchar, -- what kind of secret it looks like
    fingerprint varchar, -- keyed hash of the value: equal values, equal fingerprints; null: another scanner kept no value
    name varchar, -- name of the variable or tag
    resource_key bigint, -- the resource in whose text it stands
    identity_key bigint, -- the identity in whose text it stands
    native_id varchar, -- id inside the value, such as an access key id
    preview varchar, -- at most four characters
    issuer varchar, -- provider that made the secret
    issuer_tenant varchar, -- its account there, as far as the value or what stands beside it says so
    severity varchar, -- of this kind of secret, were it live
    confidence double, -- 0 to 1: that it is a secret at all
    is_test boolean, -- of the provider's test system
    path varchar, -- file, with the member of an archive behind !/
    line bigint, -- from 1
    commit varchar, -- first commit that holds it
    author varchar, -- mail address of that commit's author
    first_seen_at timestamp, -- when the text that holds it was written
    last_seen_at timestamp, -- when that text was replaced; null: it was not
    is_current boolean, -- it still stands there
    expires_at timestamp, -- when it ends by itself, as it says
    is_verified boolean, -- another scanner asked the provider, which took it
    found_by varchar -- the other scanner; null: nhiscan
);

create table settings ( -- policy values of a tenant
    provider varchar, -- aws, vault, salesforce, register, ...
    tenant_id varchar, -- <provider>:<tenant>
    name varchar, -- name
    value varchar, -- value
    number bigint, -- value as a number, where it is one
    applies_to varchar -- part of the tenant; null: all of it
);

create table org_nodes ( -- the tree of an organisation
    node_id varchar, -- stable id
    tenant_id varchar, -- the account that the node is, else the organisation's own account
    kind varchar, -- root, unit or account
    name varchar, -- name
    parent_id varchar, -- node above
    status varchar -- state, from a closed list
);

create table org_policies ( -- which SCP or RCP is attached to which node
    policy_key bigint, -- the policy
    node_id varchar -- the node
);

create table service_uses ( -- when an identity last used one service of its provider
    identity_key bigint, -- the identity
    service varchar, -- namespace of the service
    last_used_at timestamp -- last use; null: not within the tracking period
);

create table usage ( -- security-relevant events, kept across scans
    event_id varchar, -- stable id
    provider varchar, -- aws, vault, salesforce, register, ...
    tenant_id varchar, -- <provider>:<tenant>
    occurred_at timestamp, -- when
    kind varchar, -- login, call, export, role_change, credential_change, consent, grant_change or revocation
    action varchar, -- the provider's name of the event
    outcome varchar, -- success or failure
    identity_id varchar, -- who; may be gone from the inventory
    credential_id varchar, -- with what; may be gone from the inventory
    is_interactive boolean, -- a person at a console or browser
    source_ip varchar, -- from where
    user_agent varchar, -- with which program
    target varchar, -- on what
    dataset varchar, -- which history it belongs to: usage.calls, .logins, .exports or .audit
    app varchar, -- name of the app that was used, as the log writes it
    flow varchar, -- of a login: password, sso, soap, basic, or a word of app_settings.flows
    country varchar, -- two letters, or as the log writes it
    rows bigint, -- of an export
    reason varchar -- of a failure, in the provider's word
);

create table leases ( -- live leases of a vault
    tenant_id varchar, -- <provider>:<tenant>
    path varchar, -- path that issued them
    live bigint -- how many
);

create table scanners ( -- who this scan was in each tenant
    tenant_id varchar, -- <provider>:<tenant>
    identity_id varchar -- the identity that made the calls
);

create table partners ( -- partner register
    partner_id varchar, -- the partner
    name varchar, -- name
    legal_name varchar, -- name in the contract
    parent_id varchar, -- partner above it
    relation varchar, -- subsidiary, brand or sub_processor
    type varchar, -- kind, as the register says
    status varchar, -- state, from a closed list
    tier varchar, -- commercial tier
    risk_tier varchar, -- low, medium, high or critical
    criticality varchar, -- low, medium, high or critical
    business_owner varchar, -- address of the named person
    backup_owner varchar, -- address
    technical_owner varchar, -- address
    last_commercial_activity date, -- newest deal, referral or invoice
    declared_nhi_count bigint, -- what the partner says it runs
    stage varchar, -- onboarding, enablement, measurement, offboarding or ended
    trust_label varchar, -- informal label such as strategic; never an input to scoring
    classified_at date, -- last day on which tier, criticality and type were confirmed
    handles_customer_data boolean, -- as the register says
    touches_production boolean, -- as the register says
    due_diligence_at date, -- newest assessment
    due_diligence_result varchar, -- pass, conditional or fail
    due_diligence_valid_to date, -- last day on which it counts
    onboarded_at date, -- first day
    onboarded_by varchar, -- address of the person who let it in
    onboarding_approved_by varchar, -- address of the person who approved that
    revoke_runbook varchar, -- reference to how the partner is cut off
    revoke_runbook_tested_at date, -- newest rehearsal
    source_system varchar, -- system that the row was exported from
    source_id varchar, -- its id there
    exported_at timestamp, -- when the file was exported
    register_row varchar -- file:line
);

create table aliases ( -- names under which a partner appears in our systems
    partner_id varchar, -- the partner
    kind varchar, -- kind, from a closed list
    value varchar, -- value
    our_tenant varchar, -- tenant of ours to which the row is limited
    exclusive boolean, -- false: shared with others, never attributes
    valid_from date, -- first day
    valid_to date, -- last day
    confirmed_by varchar, -- who confirmed it
    register_row varchar -- file:line
);

create table contracts ( -- contracts with partners
    contract_id varchar, -- the contract
    partner_id varchar, -- the partner
    kind varchar, -- kind, from a closed list
    grants_access boolean, -- null: by kind (nda and dpa do not)
    status varchar, -- state, from a closed list
    start_date date, -- first day
    end_date date, -- last day; null: open-ended or unreadable
    auto_renew boolean, -- renews itself
    notice_date date, -- when notice was given
    terminated_on date, -- last day after a termination
    covers_subsidiaries boolean, -- also covers partners below
    security_terms boolean, -- access, incident, audit and exit clauses are present
    revoke_sla_hours bigint, -- time limit for taking access back
    dates_readable boolean, -- false: a date of the row could not be read
    register_row varchar -- file:line
);

create table contract_tenants ( -- tenants that a contract covers; a contract without any covers all
    contract_id varchar, -- the contract
    tenant_id varchar -- <provider>:<tenant>
);

create table contract_events ( -- what happened to a contract
    contract_id varchar, -- the contract
    type varchar, -- kind, as the register says
    occurred date, -- day it happened
    due date, -- day it is due
    done date, -- day it was done
    ticket varchar, -- reference
    register_row varchar -- file:line
);

create table people ( -- persons and teams, ours and the partners'
    mail varchar, -- address
    name varchar, -- name
    side varchar, -- ours or partner
    partner_id varchar, -- the partner
    status varchar, -- state, from a closed list
    left_on date, -- the day the person left
    can_onboard boolean, -- may let partners in
    can_approve varchar, -- severities of findings that this person may accept, separated by ;
    register_row varchar -- file:line
);

create table person_mails ( -- addresses that a person had before
    mail varchar, -- address
    old_mail varchar -- former address
);

create table ownerships ( -- who answers for what, as written down by people
    owned_kind varchar, -- programme, partner, identity, credential or integration
    owned varchar, -- an id, native id or name
    mail varchar, -- address
    role varchar, -- role, from a closed list
    since date, -- first day
    register_row varchar -- file:line
);

create table packages ( -- standard bundles of access
    package_id varchar, -- the package
    name varchar, -- name
    version bigint, -- version
    basis varchar, -- role, product_line, integration_type or tier
    allowed_partner_types varchar, -- separated by ;
    max_risk_tier varchar, -- highest risk tier
    max_level bigint, -- highest level, 0 to 5
    review_days bigint, -- days between reviews
    approved_by varchar, -- who approved
    register_row varchar -- file:line
);

create table package_items ( -- what a package allows
    package_id varchar, -- the package
    provider varchar, -- aws, vault, salesforce, register, ...
    resource_pattern varchar, -- glob over resource paths
    action_pattern varchar, -- names verbs
    record_scope varchar, -- own, account, team or all
    environment varchar, -- prod, staging, test, dev or sandbox
    register_row varchar -- file:line
);

create table package_assignments ( -- which partner holds which package
    partner_id varchar, -- the partner
    package_id varchar, -- the package
    assigned_at date, -- first day
    package_version bigint, -- version assigned
    assigned_by varchar, -- who assigned it
    expires_at date, -- expiry
    register_row varchar -- file:line
);

create table requests ( -- requests for access
    request_id varchar, -- the request
    partner_id varchar, -- the partner
    identity varchar, -- identity it is about
    channel varchar, -- workflow, ticket, email or manual
    privileged boolean, -- asks for privileged access
    requested_by varchar, -- who asked
    requested_at timestamp, -- when
    approved_by varchar, -- who approved
    approved_at timestamp, -- when
    outcome varchar, -- result
    register_row varchar -- file:line
);

create table reviews ( -- our own access reviews
    review_id varchar, -- the review
    scope varchar, -- what was reviewed or hit
    partner_id varchar, -- the partner
    reviewer varchar, -- who
    opened_at timestamp, -- when opened
    completed_at timestamp, -- when completed
    items bigint, -- items reviewed
    items_revoked bigint, -- items revoked
    seconds_spent bigint, -- effort in seconds
    evidence varchar, -- reference
    register_row varchar -- file:line
);

create table attestations ( -- statements made by a partner
    attestation_id varchar, -- the attestation
    partner_id varchar, -- the partner
    kind varchar, -- kind, from a closed list
    attested_by varchar, -- who
    attested_at timestamp, -- when
    valid_to date, -- last day
    declared_items bigint, -- how many items
    evidence varchar, -- reference
    register_row varchar -- file:line
);

create table attestation_items ( -- what exactly was attested
    attestation_id varchar, -- the attestation
    subject_kind varchar, -- kind of subject
    subject_id varchar, -- the subject
    answer varchar, -- keep, remove, left, shared or unknown
    register_row varchar -- file:line
);

create table acceptances ( -- risks that somebody accepted
    acceptance_id varchar, -- the acceptance
    rule_id varchar, -- the rule
    subject_id varchar, -- the subject
    partner_id varchar, -- the partner
    reason varchar, -- why, in words
    compensating_control varchar, -- what limits the risk meanwhile
    requested_by varchar, -- who asked
    approved_by varchar, -- who approved
    approved_at timestamp, -- when
    expires_at date, -- expiry
    renewals bigint, -- how often it was prolonged
    register_row varchar -- file:line
);

create table incidents ( -- security incidents of partners and vendors
    incident_id varchar, -- the incident
    partner_id varchar, -- the partner
    scope varchar, -- what was reviewed or hit
    disclosed_at timestamp, -- when it was disclosed
    opened_at timestamp, -- when opened
    closed_at timestamp, -- when closed
    severity varchar, -- severity
    register_row varchar -- file:line
);

create table offboardings ( -- offboardings that were opened
    offboarding_id varchar, -- the offboarding
    partner_id varchar, -- the partner
    contract_id varchar, -- the contract whose event opened it
    opened_at timestamp, -- when opened
    due_at timestamp, -- when due
    closed_at timestamp, -- when closed
    verified_at timestamp, -- when verified
    verified_by varchar, -- who verified
    register_row varchar -- file:line
);

create table offboarding_steps ( -- steps of an offboarding
    offboarding_id varchar, -- the offboarding
    step bigint, -- number
    action varchar, -- what to do
    target_kind varchar, -- kind of target
    target_id varchar, -- the target
    done_at timestamp, -- when done
    done_by varchar, -- who
    evidence varchar, -- reference
    register_row varchar -- file:line
);

create table declared_identities ( -- identities on the partner's own list
    partner_id varchar, -- the partner
    declared_ref varchar, -- the partner's own name for it
    purpose varchar, -- what it is for
    partner_owner varchar, -- who answers for it there
    register_row varchar -- file:line
);

create table classifications ( -- how sensitive an object or field is
    system varchar, -- system
    object varchar, -- object
    field varchar, -- column
    visibility_class varchar, -- external_allowed, internal_only or unclassified
    protected_field boolean, -- core contract field
    classification varchar, -- public, internal, confidential, customer or regulated
    register_row varchar -- file:line
);

create table identity_map ( -- people's decisions about identities; these beat every guess
    pattern varchar, -- over ids, native ids and names; * and ?
    partner_id varchar, -- the partner
    role varchar, -- role, from a closed list
    owner varchar, -- address
    purpose varchar, -- what it is for
    environment varchar, -- prod, staging, test, dev or sandbox
    ai_agent boolean, -- a model acts through it
    decided_by varchar, -- who decided
    until date, -- last day of the decision
    register_row varchar -- file:line
);

create table roles ( -- what roles, profiles and groups of our systems are for
    system varchar, -- the provider, or one of its tenants
    role varchar, -- name, native id or id
    description varchar, -- what it is for
    owner varchar, -- address
    intended_tier varchar, -- commercial tier that it is made for
    intended_audience varchar, -- internal, partner or both
    register_row varchar -- file:line
);

create table support_tickets ( -- partners' requests for help with their access
    ticket_id varchar, -- the ticket
    partner_id varchar, -- the partner
    category varchar, -- password_reset, locked_out, access_request, role_question or other
    opened_at timestamp, -- when opened
    closed_at timestamp, -- when closed
    register_row varchar -- file:line
);

create table register_files ( -- how much of each register file was accepted
    file varchar, -- file as configured
    holds varchar, -- register table
    rows bigint, -- data rows
    accepted bigint, -- rows accepted
    exported_at timestamp -- when the file was exported
);

create table register_fields ( -- how many rows of a register table fill a column
    holds varchar, -- register table
    field varchar, -- column
    filled bigint, -- rows that fill the column
    rows bigint -- data rows
);

create table quarantine ( -- register rows and cells that were not accepted as they stand
    file varchar, -- file as configured
    line bigint, -- line in the file, header is 1
    field varchar, -- column
    value varchar, -- value
    problem varchar, -- what is wrong
    allowed varchar, -- what would be accepted
    row_dropped boolean, -- false: only the cell was set to unknown
    partner_id varchar -- whom the row speaks of, where that could be read
);

create table scans ( -- the one scan that this database holds
    scan_id varchar, -- start in UTC and a random suffix
    as_of timestamp, -- the clock of every rule
    started_at timestamp, -- when collecting began
    finished_at timestamp, -- when the last rule ended
    tool_version varchar, -- version of nhiscan
    company varchar, -- our name in nhiscan.toml
    is_complete boolean, -- false when a collector failed or a dataset was refused
    is_baseline boolean -- true when no scan was published before this one
);

create table company ( -- what nhiscan.toml calls ours
    kind varchar, -- name, mail_domain, aws_account, oidc_issuer or tenant
    value varchar, -- the name, domain, account number, issuer address or tenant id
    environment varchar -- environment of an account or tenant
);

-- derived by resolve

create table identity_partners ( -- which partner stands behind an identity, with the evidence and every losing candidate
    identity_key bigint, -- the identity
    partner_id varchar, -- the partner
    role varchar, -- operator (holds it), beneficiary (served by it) or vendor
    source varchar, -- identity_map, alias, tag, people (a person of the partner), mail_domain or likeness
    evidence varchar, -- what was seen where, in words
    confidence double, -- 0 to 1, by source
    verdict varchar, -- asserted, lost (weaker than another), conflict (equally strong claims) or suggested (likeness only)
    register_row varchar -- file:line of the register row that was used
);

create table identity_owners ( -- who answers for an identity, with every losing candidate
    identity_key bigint, -- the identity
    mail varchar, -- the person's present address
    role varchar, -- business, technical, security or other
    source varchar, -- identity_map, register, tag, partner (the partner's own business owner) or account (owner of its account in a CRM)
    evidence varchar, -- what was seen where, in words
    confidence double, -- 0 to 1, by source
    verdict varchar, -- asserted, lost or suggested
    person_status varchar, -- active, left or unknown
    left_on date, -- the day the person left
    register_row varchar -- file:line of the register row that was used
);

create table partner_tenants ( -- contract state of each partner in each tenant where it holds an identity
    partner_id varchar, -- the partner
    tenant_id varchar, -- our tenant
    is_ended boolean, -- true: every contract that granted access here has ended; null: cannot be said
    ended_at timestamp, -- first moment after the last such contract
    revoke_by timestamp, -- ended_at plus the contract's own revoke time limit; null without one
    contract_id varchar, -- the contract that decides
    has_contract boolean, -- a contract that grants access is in force here
    is_renewal_unconfirmed boolean, -- in force only because it renews itself and nobody gave notice
    reason varchar, -- how this was concluded, in words
    register_row varchar -- file:line of that contract
);

create table privileges ( -- what an identity can do, verb by verb
    identity_key bigint, -- the identity
    verb varchar, -- common verb; unknown for a permission that no table maps
    scope varchar, -- all, environment, set, single or self
    certainty varchar, -- definite, conditional or potential
    level bigint, -- 0 to 5; null when unknown
    policy_key bigint, -- policy that allows it
    via_key bigint, -- group through which the policy applies, or user by whose token an app holds the right; null when direct
    statement varchar, -- the allowing statement, shortened
    considered varchar -- denies and boundaries that were weighed, and what was not read
);

create table access_hubs ( -- what stands between many and many in access_edges, so that not each pair of them is a row
    hub_key bigint, -- below zero, so that no identity has it
    name varchar -- what those before it may do with those behind it
);

create table access_edges ( -- who can become or act as whom; an edge to a hub and one from it are one step
    from_key bigint, -- identity that gains, or a hub
    to_key bigint, -- identity that is gained, or a hub; the same identity: it can rewrite its own rights
    kind varchar, -- may-assume, may-pass, runs-as, may-change, token-create, can-read-secret-of, embeds-credential-of, acts-as (an app by a user's token) or member-of
    certainty varchar, -- definite, conditional or potential
    is_rewriting boolean, -- the way lets the rights of whoever is gained be rewritten to an administrator's
    path_id varchar, -- escalation path of the provider's table; null: the step is plain
    resource_key bigint, -- workload or secret that lies between
    policy_key bigint, -- policy that allows it
    statement varchar, -- the allowing statement, shortened
    evidence varchar -- both sides of the permission, in words
);

create table reach ( -- the shortest way of an identity to each goal
    identity_key bigint, -- the identity
    goal varchar, -- admin (an administrator), sensitive (reads secrets or exports data on all or an environment), human (a person)
    certainty varchar, -- definite; potential: no definite way, and one with a step that depends on something
    hops bigint, -- 0: is there by itself
    next_key bigint -- next identity on the way, itself where it rewrites its own rights; null at 0 hops
);

create table narrow_levels ( -- where a right over named identities leads, when its level alone does not say it
    identity_key bigint, -- the identity
    verb varchar, -- common verb
    level bigint -- level of the strongest identity that it definitely reaches; 0: nobody
);

create table unused_privileges ( -- what an identity was granted, judged by use: one row a verb with a level of 2 or more
    identity_key bigint, -- the identity
    verb varchar, -- common verb
    level bigint, -- 0 to 5
    is_used boolean, -- true: something that the verb needs was used in the window of the source; null: cannot be known
    last_used_at timestamp, -- newest use of it; null: none in the window
    services bigint, -- services or permissions that give it
    services_unused bigint, -- of these, without use
    known_from timestamp, -- since when use would have been seen
    source varchar, -- what says so: access advisor, logs, the grant itself or last use of the identity
    evidence varchar -- which were used and which were not, in words
);

create table identity_facts ( -- one row an identity (groups and entities left out): what rules and reports read
    identity_key bigint, -- dense key inside this scan
    identity_id varchar, -- stable id
    provider varchar, -- aws, vault, salesforce, ...
    tenant_id varchar, -- our tenant
    environment varchar, -- by identity_map, tag or tenant
    kind varchar, -- human_user, service_account, workload_role, ...
    name varchar, -- display name
    native_id varchar, -- the provider's own id
    purpose varchar, -- by identity_map or tag
    is_nhi boolean, -- null when the source does not tell a person from a machine
    is_enabled boolean, -- the provider lets it in
    is_provider_owned boolean, -- made and run by the provider
    has_access boolean, -- an open invitation; or enabled, and a live credential, a person's licence or a trusted outsider can use it; an app: or it holds a live token
    is_trusted_from_outside boolean, -- an account or issuer outside the company may become it
    is_partner_related boolean, -- attributed, disputed or suggested for a partner, or open to an outsider
    partner_id varchar, -- the asserted partner; operator before beneficiary, an ended one first
    partner_name varchar, -- its name
    partner_role varchar, -- operator, beneficiary or vendor
    partner_evidence varchar, -- why
    partner_confidence double, -- 0 to 1
    partner_count bigint, -- asserted partners
    is_partner_disputed boolean, -- two partners have equally strong evidence and none is asserted
    partner_risk double, -- 0.1 to 1, for the score; null when unknown
    owner_mail varchar, -- the asserted owner; an active one first
    owner_role varchar, -- business, technical, ...
    owner_evidence varchar, -- why
    owner_confidence double, -- 0 to 1
    owner_status varchar, -- active, left or unknown
    owner_left_on timestamp, -- the day the owner left, as a timestamp
    active_owners bigint, -- asserted owners who have not left
    departed_owner_mail varchar, -- an asserted owner who left, if any
    departed_owner_left_on timestamp, -- when; null when the day is unknown
    level bigint, -- highest definite level, 0 to 5; null when nothing is known
    level_high bigint, -- highest level that cannot be ruled out; null when it could be any
    is_admin boolean, -- true: administrator; false: not; null: depends on something that could not be decided
    admin_evidence varchar, -- allowing statement, denies considered, what was not read
    admin_hops bigint, -- length of the shortest definite path to an administrator; null without one
    admin_next_id varchar, -- next identity on that path
    live_credentials bigint, -- credentials that work now
    created_at timestamp, -- creation
    last_used_at timestamp, -- last use; null and last_used_known: never used
    last_used_known boolean, -- the source can say
    last_used_source varchar, -- where the date is from
    idle_since timestamp, -- last use, else creation; null when use cannot be known
    has_console_password boolean, -- a person can sign in interactively
    console_last_used_at timestamp, -- last interactive sign-in
    console_last_used_known boolean, -- the source can say
    mfa_state varchar, -- registered, none or null
    contract_is_ended boolean, -- of an asserted partner, in this tenant
    contract_ended_at timestamp, -- first moment after the end
    contract_last_day timestamp, -- the day before, as the register says it
    contract_revoke_by timestamp, -- the contract's own time limit
    contract_id varchar, -- which contract
    contract_reason varchar, -- how this was concluded
    contract_row varchar, -- file:line in the register
    use_after_end_at timestamp, -- newest dated use of the identity or one of its credentials, when after the end
    is_external boolean, -- the provider itself calls it an outsider
    licence varchar, -- internal, partner, customer, integration or guest
    is_installed boolean, -- of an app; false: removed
    role_changed_at timestamp, -- when its role last changed
    derived_from varchar, -- no list holds it: what it was concluded from
    is_ai_agent boolean, -- by identity_map, tag or provider; null: nobody says
    invited_at timestamp, -- when it was asked to join
    created_by varchar -- whoever made it, as the provider writes it
);

create table app_facts ( -- one row an OAuth app or integration of a CRM: what rules and reports read beside identity_facts
    identity_key bigint, -- the app
    identity_id varchar, -- the app
    tenant_id varchar, -- our tenant
    name varchar, -- display name
    is_installed boolean, -- false: removed; null: cannot be said
    scopes varchar, -- sorted, separated by commas; null: not known
    gives varchar, -- widest of them: all, data, self or none; null: not known
    tokens bigint, -- live tokens
    token_users bigint, -- identities that it may act as by them
    external_users bigint, -- of these, outsiders
    partners bigint, -- partners of these users and of the app itself
    partner_names varchar, -- sorted, separated by commas
    oldest_token_at timestamp, -- creation of the oldest live token
    token_last_used_at timestamp, -- newest use of any token
    token_use_known boolean, -- the source says it of each of them
    level bigint, -- highest definite level of the users that it may act as, as far as its scopes let it
    flows varchar, -- as in app_settings; null: not known
    is_public boolean, -- as in app_settings
    is_pkce_required boolean, -- as in app_settings
    refresh_policy varchar, -- as in app_settings
    refresh_days bigint, -- as in app_settings
    is_refresh_rotated boolean, -- as in app_settings
    is_approved_users_only boolean, -- as in app_settings
    is_network_bound boolean, -- as in app_settings
    is_refresh_network_bound boolean -- as in app_settings
);

create table role_facts ( -- one row a profile, permission set, role or group of a CRM: what rules and reports read
    role_key bigint, -- the group as an identity
    role_id varchar, -- stable id
    provider varchar, -- provider
    tenant_id varchar, -- our tenant
    kind varchar, -- profile, permission_set, permission_set_group, role, team, ...
    name varchar, -- name
    members bigint, -- enabled identities in it, directly or through another group
    internal_members bigint, -- of these, ours
    external_members bigint, -- of these, outsiders or a partner's
    partners bigint, -- partners of these
    partner_names varchar, -- sorted, separated by commas
    tiers bigint, -- commercial tiers of these partners
    tier_names varchar -- sorted, separated by commas
);

create table record_access ( -- what outsiders and partners' identities may do with the objects of a CRM: one row an identity and object
    identity_key bigint, -- the identity
    resource_key bigint, -- the object
    can_read boolean, -- some record
    can_write boolean, -- create, change or delete some record
    record_scope varchar, -- widest that is definite: own, account, team or all
    record_scope_high varchar, -- widest that cannot be ruled out
    visible_records bigint, -- records that it sees, where counts were read
    foreign_records bigint, -- of these, those that neither it nor somebody of its partner owns
    evidence varchar -- which profile, set, default or rule says so
);

create table field_access ( -- fields that outsiders and partners' identities may change: one row an identity and field
    identity_key bigint, -- the identity
    resource_key bigint, -- the field
    evidence varchar -- which profile or set says so
);

create table setting_facts ( -- one row a policy value of a tenant, or of a part of it, that rules judge
    setting_id varchar, -- stable id
    provider varchar, -- provider
    tenant_id varchar, -- our tenant
    name varchar, -- name
    value varchar, -- value
    number bigint, -- value as a number, where it is one
    applies_to varchar, -- part of the tenant; null: all of it
    affected bigint, -- enabled outsiders and partners' people to whom it applies
    partners bigint, -- partners of these
    partner_names varchar -- sorted, separated by commas
);

create table log_reach ( -- how far back the logs of a tenant reach: one row a tenant and kind of log that it offers
    tenant_id varchar, -- our tenant
    log varchar, -- sign_ins or changes, also where they stand among the calls
    history_from timestamp, -- since when everything is kept; null: nobody knows
    has_holes boolean -- it was not wholly read
);

create table sign_ins ( -- one row a sign-in that names an identity in the inventory
    event_id varchar, -- the event
    identity_key bigint, -- who
    identity_id varchar, -- who
    tenant_id varchar, -- our tenant
    occurred_at timestamp, -- when
    minute bigint, -- minutes since 1970, so that plain windows can count
    is_success boolean, -- false: refused
    is_interactive boolean, -- a person at a browser
    network varchar, -- first three numbers of an IPv4 address, first three groups of an IPv6 one
    country varchar, -- two letters, or as the log writes it
    device varchar, -- program and platform, as far as the log names them
    app varchar, -- name of the app that was used
    flow varchar -- password, sso, soap, basic, or a word of app_settings.flows
);

create table package_excess ( -- what an identity of a partner that holds packages can do beyond all of them
    identity_key bigint, -- the identity
    verb varchar, -- common verb
    resource varchar, -- pattern of the resources; null where the provider's privileges do not name them
    scope varchar, -- all, environment, set, single or self
    certainty varchar, -- definite, conditional or potential
    level bigint, -- 0 to 5; null when unknown
    statement varchar -- the allowing statement, shortened
);

create table revocations ( -- what logs say was taken from an identity and done with it later: one row an identity
    identity_key bigint, -- the identity
    revoked_id varchar, -- the identity itself or one of its credentials
    revoked_at timestamp, -- when; the newest time
    revoked_with varchar, -- the provider's name of the event
    revoked_by varchar, -- identity that did it
    used_at timestamp, -- first use more than 15 minutes later
    given_back_at timestamp -- when it was made or switched on again
);

create table credential_facts ( -- one row a credential: what rules and reports read
    credential_key bigint, -- dense key inside this scan
    credential_id varchar, -- stable id
    identity_key bigint, -- whose
    identity_id varchar, -- whose
    identity_name varchar, -- whose
    provider varchar, -- provider
    tenant_id varchar, -- our tenant
    environment varchar, -- of the identity
    kind varchar, -- access_key, password, ...
    native_id varchar, -- the provider's own id, such as an access key id
    is_live boolean, -- active, not expired, identity enabled; of an invitation: invited
    is_replaceable boolean, -- of a kind that can be rotated
    created_at timestamp, -- issued or last rotated
    age_days bigint, -- at as_of
    last_used_at timestamp, -- last use; null and last_used_known: never used
    last_used_known boolean, -- the source can say
    last_used_source varchar, -- where the date is from
    idle_since timestamp, -- last use, else creation; null when use cannot be known
    expires_at timestamp, -- expiry
    expiry_known boolean, -- false: the source cannot say
    lifetime_days bigint, -- days from issue to expiry, a begun one counted; null without either
    max_ttl_s bigint, -- longest life that renewals can give it, in seconds; 0: no limit set
    period_s bigint, -- life that each renewal gives again without end, in seconds
    is_network_bound boolean, -- works only from named networks; null: cannot be said
    live_of_kind bigint, -- live credentials of this kind, and for this service, on the identity
    newer_live_at timestamp, -- creation of the newest other of these, when newer than this one
    is_nhi boolean, -- of the identity
    is_provider_owned boolean, -- of the identity
    is_partner_related boolean, -- of the identity
    partner_id varchar, -- of the identity
    partner_name varchar, -- of the identity
    owner_mail varchar, -- of the identity
    level bigint, -- of the identity
    contract_is_ended boolean, -- of the identity
    app_id varchar, -- app that holds it
    app_name varchar -- its name
);

create table resource_facts ( -- one row a resource: what rules and reports read
    resource_key bigint, -- dense key inside this scan
    resource_id varchar, -- stable id
    provider varchar, -- provider
    tenant_id varchar, -- our tenant
    kind varchar, -- bucket, function, secret, ...
    name varchar, -- name
    native_id varchar, -- the provider's own id
    environment varchar, -- by its own label, its tags or its tenant
    partner_id varchar, -- partner named by its tags, or the one whose identity it runs as
    partner_name varchar, -- its name
    partner_evidence varchar, -- why
    is_partner_related boolean, -- a partner holds, runs or may use it
    is_workload boolean, -- runs code, and can act as an identity
    runs_as_id varchar, -- identity that a workload acts as
    owner_mail varchar, -- of its tags, or of the identity it runs as
    level bigint, -- highest definite level of the identity it runs as
    encrypted_at_rest varchar, -- none, provider or customer_key; null: cannot be said
    audience varchar, -- who can read its texts: internal, partner or public; null: cannot be said
    encrypted_in_transit varchar, -- enforced, optional or none; null: cannot be said
    is_open_to_outside boolean -- its own policy lets somebody outside the company in
);

create table secret_places ( -- where each secret value is: one row a sighting, and one a stored secret whose fingerprint was taken
    place_id varchar, -- the sighting, or the stored secret
    value_number bigint, -- equal values, equal numbers, inside this scan; null: another scanner kept no value
    is_stored boolean, -- in a store for secrets, where it may be
    is_secret boolean, -- false: an id of a credential, which opens nothing alone
    kind varchar, -- what kind of secret it looks like
    where_kind varchar, -- environment, user_data, tag, parameter, ci_variable, file, shared, repo, pipeline, repo_history or store
    location varchar, -- where, in words
    name varchar, -- name of the variable, tag or secret
    provider varchar, -- aws, vault, salesforce, ...
    tenant_id varchar, -- our tenant
    native_id varchar, -- id inside the value, such as an access key id
    holder_id varchar, -- the resource, whichever revision of it, or the identity in whose text or store it is
    resource_id varchar, -- the resource, where the holder is one
    environment varchar, -- of the holder
    partner_id varchar, -- of the holder
    partner_name varchar, -- its name
    credential_id varchar, -- the credential in the inventory that it is or belongs to
    identity_id varchar, -- whom it lets somebody be
    evidence varchar -- how that is known; without an identity: why none of those that fit is said
);

create table leak_facts ( -- a secret value in the texts of one place outside every store: all its sightings there together
    leak_id varchar, -- stable id
    tenant_id varchar, -- our tenant
    resource_id varchar, -- repository, folder or shared space
    resource_name varchar, -- its name
    audience varchar, -- who can read it: internal, partner or public; null: cannot be said
    environment varchar, -- of the place
    where_kind varchar, -- repo, pipeline, repo_history, file or shared: the first of these where it stands
    kind varchar, -- what kind of secret it is
    value_number bigint, -- equal values, equal numbers, inside this scan; null: another scanner kept no value
    preview varchar, -- at most four characters
    severity varchar, -- of this kind of secret, were it live
    confidence double, -- 0 to 1: that it is a secret at all
    is_test boolean, -- of the provider's test system
    is_current boolean, -- it still stands there
    is_verified boolean, -- another scanner asked the provider, which took it
    found_by varchar, -- nhiscan, or the other scanners
    places bigint, -- sightings
    first_place varchar, -- path and line of the first of them
    commit varchar, -- first commit that holds it
    author varchar, -- who wrote that
    first_seen_at timestamp, -- when it was first written
    last_seen_at timestamp, -- when the last text that holds it was replaced; null: it was not
    expires_at timestamp, -- when it ends by itself, as it says
    issuer varchar, -- provider that made it
    issuer_tenant varchar, -- its account there, as far as known
    link varchar, -- credential, identity, tenant, provider or none: how far it could be followed
    link_evidence varchar, -- how that is known
    credential_id varchar, -- the credential in the inventory that it is or belongs to
    is_live boolean, -- that credential works; null: cannot be said
    identity_id varchar, -- whom it lets somebody be
    identity_name varchar, -- its name
    level bigint, -- highest definite level of that identity
    last_used_at timestamp, -- last use of that credential
    partner_id varchar, -- of that identity, else of the place
    partner_name varchar, -- its name
    owner_mail varchar -- of that identity, else of the place
);

create table credential_sources ( -- from where and with which program a credential was used
    credential_id varchar, -- the credential
    network varchar, -- first three numbers of an IPv4 address, first three groups of an IPv6 one
    program varchar, -- name that the user agent begins with
    uses bigint, -- recorded events
    last_used_at timestamp -- newest of them
);

create table policy_facts ( -- one row a policy of a secret store: what rules and reports read
    policy_key bigint, -- dense key inside this scan
    policy_id varchar, -- stable id
    provider varchar, -- provider
    tenant_id varchar, -- our tenant
    name varchar, -- name
    holders bigint, -- identities it applies to
    partner_holders bigint, -- of these, partners'
    readers bigint, -- of the holders, those that all their policies together let read secrets
    partner_readers bigint, -- of these, partners'
    perhaps_readers bigint, -- holders of whom that cannot be said
    partner_id varchar, -- the one partner among the holders; null when none or several
    secrets_readable bigint, -- stored secrets that it lets be read
    secrets_unlabelled bigint, -- of these, those whose environment is not known
    mounts_readable bigint, -- mounts of which it lets every secret be read
    environments_readable varchar, -- environments of these secrets, separated by commas
    partners_readable bigint, -- partners whose secrets are among these
    partner_readable varchar, -- the one such partner; null when none or several
    is_everything_readable boolean, -- every secret of some mount or of all; null: cannot be said
    evidence varchar -- the rules of the policy that say so
);

create table integration_facts ( -- one row an outside account or app, also of a CRM, and tenant of ours that lets it in
    integration_id varchar, -- stable id
    tenant_id varchar, -- our tenant
    kind varchar, -- account (neither ours nor scanned) or app
    name varchar, -- account number, client id, name of a CRM's app, or address of an issuer of tokens, if need be with an organisation there
    partner_id varchar, -- the one partner whose it is today; null when nobody, more than one or a shared alias claims it
    claims bigint, -- partners that claim it today; null: nobody, and it may be ours
    trusts bigint, -- identities of ours that it may become
    grants bigint, -- resources of ours that it may use
    level bigint -- highest definite level of these identities
);

create table partner_holdings ( -- what lets a partner act in our systems, or is known to it: one row a partner and thing
    partner_id varchar, -- the partner
    thing_kind varchar, -- identity, credential, trust, grant, membership, app, workload or secret
    thing_id varchar, -- stable id
    identity_key bigint, -- the identity that it belongs to or leads to; null: none
    identity_id varchar, -- the same
    name varchar, -- in a person's words
    provider varchar, -- provider
    tenant_id varchar, -- our tenant
    relation varchar, -- operator, beneficiary, vendor, disputed, suggested or knows
    action varchar, -- what an offboarding does with it: revoke_access, remove_delegation, rotate_shared_secret or close_integration
    is_live boolean, -- it opens something today; null: cannot be said
    level bigint, -- highest definite level that it leads to; null when unknown
    created_at timestamp, -- when
    rotated_at timestamp, -- when its value was last replaced, where it has one
    last_used_at timestamp, -- newest known use
    credential_id varchar, -- of a secret: the credential that it is or belongs to
    evidence varchar -- why it counts for this partner
);

create table stage_owners ( -- who answers for a stage of a partner's life: one row a partner, stage and person
    partner_id varchar, -- the partner
    stage varchar, -- onboarding, enablement, measurement or offboarding
    mail varchar, -- the person's present address
    person_status varchar, -- active, left or unknown
    is_of_programme boolean -- answers for the stage with every partner, and with this one in no other way
);

create table contract_renewals ( -- newest renewal of each contract in force: one row a partner that it covers and contract
    partner_id varchar, -- the partner
    contract_id varchar, -- the contract
    renewed_at timestamp, -- first day
    is_automatic boolean, -- it renewed itself
    review_id varchar, -- newest completed review of access
    reviewed_at timestamp, -- when that was completed
    review_age_days bigint, -- days from that review to the renewal; below zero: it came afterwards
    register_row varchar -- file:line of the contract
);

create table review_facts ( -- newest completed review: one row a partner and scope that applies to it
    partner_id varchar, -- the partner
    scope varchar, -- access, secrets, delegated or package
    review_days bigint, -- days between reviews, as the shortest of its packages says
    review_id varchar, -- the review; null: none was completed
    reviewer varchar, -- who
    completed_at timestamp, -- when
    age_days bigint -- days since then
);

create table access_changes ( -- access that a partner's identity got since requests are kept: one row an identity and change
    identity_key bigint, -- the identity
    identity_id varchar, -- the same
    what varchar, -- created, role changed or right granted
    changed_at timestamp, -- when
    request_id varchar, -- the request that speaks best for it; null: none
    channel varchar, -- workflow, ticket, email or manual
    requested_by varchar, -- who asked
    approved_by varchar, -- who approved
    problem varchar, -- why the request is no approval, in words
    days_before bigint -- days from the approval, else the request, to the change; below zero: it came afterwards
);

create table acceptance_facts ( -- one row an acceptance: what rules read
    acceptance_id varchar, -- the acceptance
    tenant_id varchar, -- register:main
    rule_id varchar, -- the rule
    subject_id varchar, -- what was accepted
    subject_name varchar, -- in a person's words, where the subject is in the inventory
    partner_id varchar, -- as the register says, else of the subject
    partner_name varchar, -- its name
    owner_mail varchar, -- whoever asked for it
    level bigint, -- of the subject
    requested_by varchar, -- present address of whoever asked, else as written
    approved_by varchar, -- present address of whoever approved, else as written
    approver_status varchar, -- active, left or unknown (not among the people of the register); null: nobody is named
    approver_side varchar, -- ours or partner, as far as the register says
    approver_can_approve varchar, -- severities that the approver may accept, separated by ;
    has_control boolean, -- a compensating control is named
    has_reason boolean, -- a reason is named
    approved_at timestamp, -- when
    expires_at timestamp, -- end of the last day
    runs_days bigint, -- days from the approval to the last day
    renewals bigint, -- how often it was prolonged
    reason varchar, -- as written down
    register_row varchar -- file:line
);

create table step_facts ( -- one row a step of an offboarding, with what this scan sees of its target
    offboarding_id varchar, -- the offboarding
    partner_id varchar, -- the partner
    step bigint, -- number
    action varchar, -- revoke_access, rotate_shared_secret, close_integration, remove_delegation, return_data or notify
    target_id varchar, -- as written down
    thing_id varchar, -- what the inventory calls it; null: not in the inventory
    opened_at timestamp, -- of the offboarding
    done_at timestamp, -- as written down; null: not done, or only some day
    hours bigint, -- hours from the begin of the offboarding until it was done, or until now, a begun one counted; null: not begun yet
    is_gone boolean, -- the target opens nothing any more, or was replaced after the offboarding began; null: cannot be said
    seen varchar -- what this scan sees of it, in words
);

create table offboarding_facts ( -- one row an offboarding: what rules and reports read
    offboarding_id varchar, -- the offboarding
    partner_id varchar, -- the partner
    contract_id varchar, -- the contract that it follows, by its own word, else the partner's contract that ended last
    opened_at timestamp, -- when opened
    began_at timestamp, -- when the clock began: opened, or the end of the contract where that is later
    due_at timestamp, -- when due, by its own word, else by the time limit of the contract; null: nobody says
    due_by varchar, -- what says so: offboarding or contract
    closed_at timestamp, -- when closed; null: not closed, or only some day
    verified_at timestamp, -- when verified; null: not verified, or only some day
    verified_by varchar, -- who verified
    hours bigint, -- hours from the begin until closed, or until now, a begun one counted; null: no begin, or none yet
    steps bigint, -- steps
    steps_done bigint, -- of these, done as written down
    register_row varchar -- file:line
);

create table event_checkpoints ( -- reviews and offboardings of a partner beside the events of its contracts: one row a pair
    contract_id varchar, -- the contract
    type varchar, -- of the event, in small letters
    occurred date, -- day of the event
    kind varchar, -- review or offboarding
    checkpoint_id varchar, -- the review or offboarding
    scope varchar, -- of a review
    is_of_contract boolean, -- an offboarding that names this contract
    held_at timestamp, -- when the review was completed or the offboarding opened; null: not yet, or nobody says
    days_after bigint, -- days from the event to that; below zero: before it
    closed_at timestamp -- of an offboarding
);

create table name_words ( -- words in the names of partners' enabled accounts, without those of the partner's and our own name
    identity_key bigint, -- the account
    source varchar, -- name, or mail: the part before the @
    word varchar, -- in small letters, without accents and digits
    words bigint -- how many different words the text has
);

create table change_facts ( -- changes of roles, grants, credentials and consents of partners' identities: one row an event and identity
    event_id varchar, -- the event
    identity_key bigint, -- whose rights or credentials changed
    identity_id varchar, -- the same
    tenant_id varchar, -- our tenant
    partner_id varchar, -- of the identity
    occurred_at timestamp, -- when
    kind varchar, -- role_change, grant_change, credential_change or consent
    action varchar, -- the provider's name of the event
    actor_id varchar, -- who changed it
    request_id varchar, -- nearest approved request that names the identity
    request_days bigint, -- days between the change and its approval, whichever came first
    loose_request_id varchar, -- nearest approved request of the partner that names no identity
    loose_request_days bigint, -- the same of that one
    review_id varchar, -- first access review of the partner completed after the change
    review_days bigint -- days until then
);

create table partner_facts ( -- one row a partner: what rules and reports read
    partner_id varchar, -- stable id
    name varchar, -- name
    type varchar, -- reseller, integrator, ...
    tier varchar, -- commercial tier
    risk_tier varchar, -- low, medium, high or critical
    criticality varchar, -- low, medium, high or critical
    risk double, -- 0.1 to 1, for the score; null when unknown
    business_owner varchar, -- address of the named person
    business_owner_status varchar, -- active, left or unknown; null when nobody is named
    business_owner_left_on timestamp, -- the day that person left
    identities bigint, -- asserted identities
    live_credentials bigint, -- their live credentials
    has_access boolean, -- one of them has access; null when attribution is disputed and no other has
    level bigint, -- highest definite level of its identities
    last_used_at timestamp, -- newest known use
    last_commercial_activity timestamp, -- day of the newest deal, referral or invoice, as a timestamp
    contracts bigint, -- contracts that grant access, drafts included
    contracts_in_force bigint, -- of these, in force
    has_draft_only boolean, -- contracts exist and all are drafts
    is_end_missing boolean, -- a contract in force has no end and does not renew itself by its terms
    security_terms boolean, -- of all contracts in force; false if one says no, null if one does not say
    is_ended boolean, -- ended in every tenant where it holds an identity, or without any identity
    ended_at timestamp, -- newest end
    is_renewal_unconfirmed boolean, -- somewhere in force only because it renews itself
    touches_production boolean, -- one of its identities stands in production, or the register says so
    stage varchar, -- as the register says
    trust_label varchar, -- as the register says
    classified_at timestamp, -- as the register says
    handles_customer_data boolean, -- as the register says
    due_diligence_at timestamp, -- as the register says
    due_diligence_result varchar, -- pass, conditional or fail
    due_diligence_valid_to timestamp, -- as the register says
    onboarded_at timestamp, -- as the register says
    onboarded_by varchar, -- as the register says
    onboarding_approved_by varchar, -- as the register says
    revoke_runbook varchar, -- as the register says
    revoke_runbook_tested_at timestamp, -- as the register says
    packages bigint, -- packages that it holds today
    first_access_at timestamp, -- creation of its oldest identity, as far as known
    is_delegated_admin boolean, -- one of its identities administers something of ours
    computed_risk_tier varchar, -- the least that its present access calls for: low, medium, high or critical
    register_row varchar -- file:line
);

-- written by check

create table rules ( -- the rules of this scan
    rule_id varchar, -- folder name
    family varchar, -- parent folder name
    title varchar, -- the state found
    why varchar, -- what an attacker or auditor gains from it
    fix varchar, -- first concrete step
    severity varchar, -- base severity
    confidence double, -- 0 to 1
    subject varchar, -- identity, credential, leak, resource, policy, integration, role, setting, acceptance, partner or tenant
    version varchar, -- hash of the rule's files and parameters
    params varchar, -- effective parameters, in words
    refuted_by varchar -- the fact that would refute a finding
);

create table rule_controls ( -- which control of which framework a rule speaks to
    rule_id varchar, -- the rule
    framework varchar, -- owasp_nhi_2025, nist_csf_2_0, ...
    control_id varchar -- the control
);

create table rule_results ( -- counts of each rule; passes are counted, never stored
    rule_id varchar, -- the rule
    provider varchar, -- provider of the subjects; all for partners
    evaluated bigint, -- subjects to which the rule applies
    failed bigint, -- fails
    passed bigint, -- passes
    unknown bigint, -- could not be evaluated
    not_assessed varchar -- why nothing was judged although subjects exist: the register does not hold the field
);

create table findings ( -- fails and unknowns, one a rule and subject
    finding_id varchar, -- stable across scans
    rule_id varchar, -- the rule
    subject_kind varchar, -- identity, credential, leak, resource, policy, integration, role, setting, acceptance, partner or tenant
    subject_id varchar, -- stable id of the subject
    subject_name varchar, -- how a person calls it
    provider varchar, -- provider of the subject
    tenant_id varchar, -- our tenant; null for a partner
    identity_id varchar, -- identity that the subject is or belongs to
    partner_id varchar, -- the asserted partner
    owner_mail varchar, -- the asserted owner
    outcome varchar, -- fail or unknown
    status varchar, -- open, accepted, fixed or reopened
    severity varchar, -- after the rule raised or lowered it
    confidence double, -- of the rule
    score double, -- 0 to 100
    score_low double, -- with unknown factors at their least
    score_high double, -- with unknown factors at their most
    band varchar, -- critical, high, medium, low or info
    message varchar, -- one sentence
    uncovered varchar, -- datasets that were needed and not covered
    first_seen timestamp, -- as_of of the first scan that saw it
    last_seen timestamp, -- as_of of the newest scan that saw it
    case_id varchar, -- case it belongs to; null for unknowns
    acceptance_id varchar -- acceptance that covers it
);

create table acceptance_findings ( -- the finding that each acceptance speaks of; an acceptance of what is not found (any more) has none
    acceptance_id varchar, -- the acceptance
    outcome varchar, -- fail or unknown
    severity varchar -- of the finding; of an unknown one: in the scan before, else of its rule
);

create table finding_evidence ( -- what an expert needs to believe a finding
    finding_id varchar, -- the finding
    seq bigint, -- order on the page
    label varchar, -- what is said
    value varchar -- the evidence
);

create table cases ( -- findings on one identity, partner or tenant
    case_id varchar, -- stable across scans
    subject_kind varchar, -- identity, leak, resource, policy, integration, role, setting, acceptance, partner or tenant
    subject_id varchar, -- stable id
    subject_name varchar, -- how a person calls it
    provider varchar, -- provider; null for a partner
    tenant_id varchar, -- our tenant; null for a partner
    partner_id varchar, -- the asserted partner
    owner_mail varchar, -- the asserted owner
    lead_finding_id varchar, -- the finding that leads
    lead_rule_id varchar, -- its rule
    message varchar, -- its sentence
    severity varchar, -- its severity
    score double, -- roll-up of the findings' scores
    score_low double, -- roll-up of their low bounds
    band varchar, -- band of the score
    findings bigint, -- how many
    status varchar, -- open, accepted, fixed or reopened
    is_new boolean, -- not in the scan before
    first_seen timestamp -- earliest of its findings
);
