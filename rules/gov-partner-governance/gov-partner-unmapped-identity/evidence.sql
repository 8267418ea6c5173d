-- What it shows of whose it is, and which account of the CRM that is; a Salesforce id is the same with 15 and 18 characters.
select
    f.identity_id as subject_id,
    'shows ' || s.kind as label,
    s.value || coalesce(' (' || min(p.name) || ')', '') as value
from identity_facts f
join signs s on s.identity_key = f.identity_key
left join partner_accounts p
    on p.tenant_id = f.tenant_id
    and (
        p.account_id = s.value
        or (s.kind = 'salesforce_account' and substr(p.account_id, 1, 15) = substr(s.value, 1, 15))
    )
where f.is_external
    and (f.partner_id is null or f.partner_confidence < $min_confidence)
group by f.identity_id, s.kind, s.value
