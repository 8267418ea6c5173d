-- alias_keys of all that the register ever said, keys_in_force -> alias_keys, past_keys: without what is somebody else's by now
delete from alias_keys
where exists (
        select 1
        from keys_in_force n
        where n.kind = alias_keys.kind
            and n.key = alias_keys.key
            and n.partner_id <> alias_keys.partner_id
    )
    and not exists (
        select 1
        from keys_in_force n
        where n.kind = alias_keys.kind
            and n.key = alias_keys.key
            and n.partner_id = alias_keys.partner_id
    );

create or replace temp table past_keys as
select distinct kind, key, partner_id, our_tenant
from alias_keys
