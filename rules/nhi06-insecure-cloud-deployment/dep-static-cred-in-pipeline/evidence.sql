-- Each key, where it stands and what it can do.
select
    p.resource_id as subject_id,
    'key ' || p.native_id as label,
    coalesce(p.name || ', ', '') || p.location
    || coalesce(
        ', of ' || c.identity_id || case when c.is_live then '' else ', no longer works' end
        || coalesce(', level ' || cast(c.level as varchar), '') || coalesce(', ' || cast(c.age_days as varchar) || ' days old', ''),
        ', of an account that was not read'
    ) as value
from secret_places p
left join credential_facts c on c.credential_id = p.credential_id
where p.kind = 'aws_access_key_id'
    and p.resource_id is not null
