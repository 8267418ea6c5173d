-- Each right with what is known of its use, and since when; used ones too, as they are what a narrower policy has to keep.
select
    f.identity_id as subject_id,
    u.verb || case
        when u.is_used then ': used'
        when not u.is_used then ': not used'
        else ': use not known'
    end
    || coalesce(', level ' || cast(u.level as varchar), '') as label,
    coalesce(u.evidence, 'nothing recorded')
    || coalesce('; last use ' || substr(cast(u.last_used_at as varchar), 1, 10), '')
    || coalesce('; recorded since ' || substr(cast(u.known_from as varchar), 1, 10), '')
    || coalesce('; by ' || u.source, '') as value
from unused_privileges u
join identity_facts f on f.identity_key = u.identity_key
