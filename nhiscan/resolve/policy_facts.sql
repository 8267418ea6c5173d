-- policy_reads, vault_bound, identity_facts -> policy_facts, one row a policy of a vault
delete from policy_facts;

insert into policy_facts by name
with reading as (
    -- another policy of the holder may deny what this one opens
    select
        p.identity_key,
        bool_or(p.verb in ('read-secret', 'admin') and p.certainty <> 'potential') as is_sure
    from privileges p
    where p.verb in ('read-secret', 'admin', 'unknown')
    group by p.identity_key
),
held as (
    select
        b.policy_key,
        count(*) as holders,
        count(f.partner_id) as partner_holders,
        count(*) filter (r.is_sure) as readers,
        count(f.partner_id) filter (r.is_sure) as partner_readers,
        count(*) filter (not r.is_sure) as perhaps_readers,
        case when count(distinct f.partner_id) = 1 then min(f.partner_id) end as partner_id
    from vault_bound b
    join identity_facts f on f.identity_key = b.identity_key
    left join reading r on r.identity_key = b.identity_key
    group by b.policy_key
)
select
    p.policy_key,
    p.policy_id,
    p.provider,
    p.tenant_id,
    p.name,
    coalesce(h.holders, 0) as holders,
    coalesce(h.partner_holders, 0) as partner_holders,
    coalesce(h.readers, 0) as readers,
    coalesce(h.partner_readers, 0) as partner_readers,
    coalesce(h.perhaps_readers, 0) as perhaps_readers,
    h.partner_id,
    r.secrets_readable,
    r.secrets_unlabelled,
    r.mounts_readable,
    r.environments_readable,
    r.partners_readable,
    r.partner_readable,
    r.is_everything_readable,
    r.evidence
from policies p
join policy_reads r on r.policy_key = p.policy_key
left join held h on h.policy_key = p.policy_key;

drop table policy_reads;
drop table vault_bound;
drop table vault_holders;
drop table vault_combinations;
