-- imported findings, linked by secret_places: the furthest first
select coalesce(i.path || coalesce(':' || cast(i.line as varchar), ''), i.location) as place,
    i.kind,
    p.credential_id,
    coalesce(f.name, p.identity_id) as identity,
    f.partner_name,
    f.owner_mail,
    c.is_live,
    coalesce(c.last_used_at, case when p.credential_id is null then f.last_used_at end) as last_used_at,
    case
        when p.evidence is not null then p.evidence
        when i.issuer_tenant is not null then 'it names ' || i.issuer_tenant || ', and nothing says which credential of it'
        when i.fingerprint is null then 'the export holds no value, so that only its place is known'
        when i.issuer is not null then 'its form is that of ' || i.issuer || ', and nothing says which account'
        else 'nothing says whose it is'
    end as evidence
from imported i
join secret_places p on p.place_id = i.sighting_id
left join identity_facts f on f.identity_id = p.identity_id
left join credential_facts c on c.credential_id = p.credential_id
order by p.credential_id is null, p.identity_id is null, c.is_live desc nulls last, c.last_used_at desc nulls last, place, i.kind,
    i.sighting_id
