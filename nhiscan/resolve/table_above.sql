-- Identities of a provider and all groups that they are in, directly or through others; each is above itself as well
create or replace temp table table_above as
with recursive above as (
    select i.identity_key, i.identity_key as above_key
    from identities i
    where i.provider = $provider
        and i.kind not in ('group', 'entity')
    union
    select a.identity_key, m.group_key
    from above a
    join memberships m on m.identity_key = a.above_key
)
select identity_key, above_key as holder_key
from above
