-- Tenants with something that is labelled a sandbox and to which partners or outsiders have access. Production data: objects that the
-- register calls customer or regulated data, with more records than samples have, or with a large part of those of production. A way
-- there: a credential in a sandbox that lets somebody be an identity in production.
with sandboxes as (
    select
        r.tenant_id,
        max(case when coalesce(r.is_partner_related, false) or r.audience in ('partner', 'public') then 1 else 0 end) as is_open,
        sum(case when r.kind in ('bucket', 'database', 'table') then 1 else 0 end) as stores
    from resource_facts r
    where r.environment = 'sandbox'
    group by r.tenant_id
),
guests as (
    select
        f.tenant_id,
        count(*) as identities,
        count(distinct f.partner_id) as partners,
        min(f.partner_name) as first_partner
    from identity_facts f
    where f.is_enabled
        and coalesce(f.has_access, true)
        and not coalesce(f.is_provider_owned, false)
        and (f.is_partner_related or coalesce(f.is_external, false))
    group by f.tenant_id
),
objects as (
    select
        r.tenant_id,
        r.provider,
        r.environment,
        d.object,
        max(d.records) as records,
        max(case when lower(c.classification) in $sensitive then 1 else 0 end) as is_sensitive,
        max(case when c.classification is null then 0 else 1 end) as is_classified
    from data_objects d
    join resource_facts r on r.resource_key = d.resource_key
    left join classifications c on lower(c.object) = lower(d.object)
        and (lower(c.system) = lower(r.provider) or lower(c.system) like lower(r.provider) || ':%')
    where d.field_name is null
        and r.environment in ('sandbox', 'prod')
    group by r.tenant_id, r.provider, r.environment, d.object
),
copies as (
    select
        s.tenant_id,
        s.object,
        s.records,
        s.is_sensitive,
        s.is_classified,
        max(p.records) as records_of_production
    from objects s
    left join objects p on p.environment = 'prod' and p.provider = s.provider and p.object = s.object
    where s.environment = 'sandbox'
    group by s.tenant_id, s.object, s.records, s.is_sensitive, s.is_classified
),
judged_objects as (
    select
        c.*,
        case
            when c.is_sensitive = 1 and c.records >= $min_records then 2
            when c.is_sensitive = 1 and c.records > 0 and c.records >= $share_of_production * c.records_of_production then 2
            when c.is_sensitive = 1 and c.records is null then 1
            else 0
        end as state
    from copies c
),
held as (
    select
        j.tenant_id,
        max(j.state) as state,
        max(j.is_classified) as is_classified,
        sum(case when j.state = 2 then 1 else 0 end) as objects,
        sum(case when j.state = 2 then j.records else 0 end) as records,
        min(case when j.state = 2 then j.object end) as first_object
    from judged_objects j
    group by j.tenant_id
),
keys as (
    select
        p.tenant_id,
        count(distinct p.identity_id) as identities,
        min(p.location) as first_place,
        min(f.name) as first_identity
    from secret_places p
    join identity_facts f on f.identity_id = p.identity_id
    left join credential_facts c on c.credential_id = p.credential_id
    where p.environment = 'sandbox'
        and p.is_secret
        and p.where_kind not in ('repo', 'pipeline', 'repo_history', 'file', 'shared')
        and f.environment = 'prod'
        and f.is_enabled
        and coalesce(c.is_live, true)
    group by p.tenant_id
),
-- what such a credential is of, or where that stands, may not have been read
loose as (
    select
        p.tenant_id,
        count(*) as secrets
    from secret_places p
    left join identity_facts f on f.identity_id = p.identity_id
    where p.environment = 'sandbox'
        and p.is_secret
        and p.where_kind not in ('repo', 'pipeline', 'repo_history', 'file', 'shared')
        and f.environment is null
    group by p.tenant_id
),
looked as (
    select
        b.tenant_id,
        coalesce(t.name, b.tenant_id) as tenant,
        b.is_open,
        b.stores,
        g.identities as guests,
        g.partners,
        g.first_partner,
        h.state,
        h.is_classified,
        h.objects,
        h.records,
        h.first_object,
        k.identities as prod_identities,
        k.first_place,
        k.first_identity,
        u.secrets as loose_secrets
    from sandboxes b
    left join (select tenant_id, min(name) as name from tenants group by tenant_id) t on t.tenant_id = b.tenant_id
    left join guests g on g.tenant_id = b.tenant_id
    left join held h on h.tenant_id = b.tenant_id
    left join keys k on k.tenant_id = b.tenant_id
    left join loose u on u.tenant_id = b.tenant_id
    where b.is_open = 1
        or g.identities > 0
)
select
    l.tenant_id as subject_id,
    l.tenant_id,
    case
        when l.state = 2 or l.prod_identities > 0 then 'fail'
        when l.state = 1 or l.is_classified = 0 or l.stores > 0 or l.loose_secrets > 0 then 'unknown'
        else 'pass'
    end as outcome,
    l.tenant,
    case
        when coalesce(l.guests, 0) = 0 then 'outsiders'
        when l.partners = 1 then coalesce(l.first_partner, 'a partner')
        when l.partners > 1 then cast(l.partners as varchar) || ' partners'
        else 'outsiders'
    end as openness,
    case
        when l.state = 2 then 'is labelled a sandbox and holds ' || cast(l.records as varchar) || ' records of customer data, in '
            || l.first_object || case when l.objects > 1 then ' and ' || cast(l.objects - 1 as varchar) || ' more objects' else '' end
        else 'has a sandbox that holds a credential of ' || l.first_identity || ' in production: ' || l.first_place
    end as what,
    case
        when l.state = 1 then 'the records of customer data in it were not counted'
        when l.is_classified = 0 then 'the register classifies none of its objects'
        when l.stores = 1 then 'nobody says what is in the one store of data there'
        when l.stores > 1 then 'nobody says what is in the ' || cast(l.stores as varchar) || ' stores of data there'
        when l.loose_secrets > 0 then 'a credential in it leads to nobody whose environment is known'
    end as doubt,
    l.objects as objects_with_customer_data,
    l.prod_identities as production_identities_within_reach,
    l.guests as identities_from_outside
from looked l
