-- Who is in which group of a CRM, directly or through another group
create or replace temp table group_members as
with recursive above as (
    select m.identity_key, m.group_key
    from memberships m
    join identities i using (identity_key)
    where i.kind not in ('group', 'entity')
        and i.provider not in ('aws', 'vault')
    union
    select a.identity_key, m.group_key
    from above a
    join memberships m on m.identity_key = a.group_key
)
select identity_key, group_key
from above
