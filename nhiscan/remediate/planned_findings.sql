-- Findings whose ids begin so, each with what of the inventory is to be acted on: of an identity the trusts that its evidence
-- shows and that let in somebody from outside, else the identity itself.
with asked as (
    select unnest($ids::varchar[]) as word
),
found as (
    select a.word, f.*
    from asked a
    join findings f on starts_with(f.finding_id, a.word)
),
ours as (
    select value as account from company where kind = 'aws_account'
),
shown as (
    select distinct f.finding_id, t.trust_id, n.value is not null as is_named
    from found f
    join identities i on i.identity_id = f.subject_id
    join trusts t on t.identity_key = i.identity_key
    join finding_evidence e on e.finding_id = f.finding_id and e.value = t.statement
    left join finding_evidence n on n.finding_id = f.finding_id and n.label = 'principal' and n.value = t.principal
    where f.subject_kind = 'identity'
        and t.account is distinct from split_part(t.tenant_id, ':', 2)
        and (t.principal_kind in ('any', 'oidc', 'saml', 'kubernetes', 'cert') or t.account is not null)
        and not exists (select 1 from ours o where o.account = t.account)
),
-- where the finding itself names a principal, others that the role trusts are not its business
meant as (
    select finding_id, trust_id
    from shown s
    where s.is_named
        or s.finding_id not in (select finding_id from shown where is_named)
)
select
    f.word, f.finding_id, f.rule_id, f.subject_kind, f.subject_id, f.subject_name, f.provider, f.tenant_id, f.outcome, f.status,
    f.message,
    case
        when s.trust_id is not null then 'trust'
        when f.subject_kind = 'identity' and p.kind in ('oauth_app', 'private_app', 'service_key', 'api_key') then 'app'
        when f.subject_kind in ('identity', 'credential') then f.subject_kind
        when f.subject_kind = 'leak' then 'secret'
        when f.subject_kind = 'resource' and r.kind in ('secret', 'parameter', 'secret_field') then 'secret'
    end as thing_kind,
    coalesce(s.trust_id, f.subject_id) as thing_id
from found f
left join meant s on s.finding_id = f.finding_id
left join identities p on p.identity_id = f.subject_id
left join resources r on r.resource_id = f.subject_id
order by all
