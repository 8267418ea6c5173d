-- Roles that accounts outside the company may assume, known to the register or not. Guessable, by
-- rule of thumb: shorter than the least length; twelve signs or fewer without a letter (account numbers, dates); one sign
-- repeated; a common word; or the name of the company, the partner or the role, or one of the account numbers, with fewer signs
-- around it than the least length.
-- A trust narrowed to one role of the vendor is as open as before: the vendor's own service uses that role for every customer.
with held as (
    select
        t.trust_key,
        t.identity_key,
        t.account,
        t.principal,
        t.external_id_check,
        t.narrowed_by,
        coalesce(o.partner_id, o.name) as holder,
        p.name as partner_name,
        p.legal_name
    from trusts t
    join identity_facts f on f.identity_key = t.identity_key
    join integration_facts o on o.tenant_id = f.tenant_id and o.kind = 'account' and o.name = t.account
    left join partners p on p.partner_id = o.partner_id
    where t.mechanism = 'assume_role'
        and t.principal_kind in ('any', 'account', 'identity')
),
asked as (
    select
        h.trust_key,
        h.holder,
        c.value as external_id,
        replace(replace(replace(replace(lower(c.value), '-', ''), '_', ''), '.', ''), ' ', '') as folded
    from held h
    join trust_conditions c on c.trust_key = h.trust_key
    where h.external_id_check = 'pinned'
        and lower(c.name) = 'sts:externalid'
),
shared as (
    select external_id
    from asked
    group by external_id
    having count(distinct holder) > 1
),
known_words as (
    select h.trust_key, h.partner_name as word from held h
    union all
    select h.trust_key, h.legal_name as word from held h
    union all
    select h.trust_key, h.account as word from held h
    union all
    select h.trust_key, f.name as word from held h join identity_facts f on f.identity_key = h.identity_key
    union all
    select h.trust_key, c.value as word from held h cross join company c where c.kind in ('name', 'aws_account')
),
folded_words as (
    select distinct
        trust_key,
        replace(replace(replace(replace(lower(word), '-', ''), '_', ''), '.', ''), ' ', '') as word
    from known_words
),
guessed as (
    select distinct a.trust_key, a.external_id
    from asked a
    join folded_words w on w.trust_key = a.trust_key
    where length(w.word) >= 3
        and replace(a.folded, w.word, '') <> a.folded
        and length(replace(a.folded, w.word, '')) < $least_length
),
weighed as (
    select
        h.trust_key,
        h.identity_key,
        h.account,
        h.principal,
        h.narrowed_by,
        h.partner_name,
        case
            when h.external_id_check = 'none' then 1
            when h.external_id_check = 'weak' then 2
            when s.external_id is not null then 3
            when length(a.external_id) < $least_length
                or (lower(a.external_id) = upper(a.external_id) and length(a.external_id) <= 12)
                or replace(a.external_id, substr(a.external_id, 1, 1), '') = ''
                or lower(a.external_id) in $common_words
                or g.trust_key is not null then 4
            when a.external_id is null then 5
            else 6
        end as rank
    from held h
    left join asked a on a.trust_key = h.trust_key
    left join shared s on s.external_id = a.external_id
    left join guessed g on g.trust_key = a.trust_key and g.external_id = a.external_id
),
worst as (
    select
        identity_key,
        min(rank) as rank,
        count(distinct account) as accounts
    from weighed
    group by identity_key
)
select
    f.identity_id as subject_id,
    f.tenant_id,
    case when max(w.rank) <= 4 then 'fail' when max(w.rank) = 5 then 'unknown' else 'pass' end as outcome,
    f.name as identity,
    f.kind,
    min(t.account) as account,
    coalesce(min(t.partner_name), 'no partner that the register knows') as partner,
    case max(w.rank)
        when 1 then 'no ExternalId is asked for'
        when 2 then 'the condition on the ExternalId does not bind'
        when 3 then 'the same ExternalId is asked of another partner'
        when 4 then 'the ExternalId can be guessed'
        else 'the ExternalId is exact and nobody else has it'
    end as problem,
    min(t.principal) as principal,
    min(t.narrowed_by) as narrowed_by,
    max(w.accounts) as outside_accounts
from worst w
join weighed t on t.identity_key = w.identity_key and t.rank = w.rank
join identity_facts f on f.identity_key = w.identity_key
where not coalesce(f.is_provider_owned, false)
group by f.identity_id, f.tenant_id, f.name, f.kind
