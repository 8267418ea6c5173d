-- Apps become the users whose tokens they hold, where their scopes keep nothing back
insert into access_edges
select
    h.app_key,
    h.user_key,
    'acts-as',
    case when h.sure = 3 then 'definite' else 'potential' end,
    false,
    null,
    null,
    null,
    s.scopes,
    'it holds ' || case when h.tokens = 1 then 'a live token' else h.tokens || ' live tokens' end || ' of the user, '
        || case when h.sure = 3 then 'whose scopes keep nothing back' else 'whose scopes are not all known' end
from held_tokens h
left join (
    select identity_key, string_agg(distinct scope, ', ' order by scope) as scopes
    from app_scopes
    group by identity_key
) s on s.identity_key = h.app_key
where h.most = 3
