-- texts of repositories, folders and shared spaces that hold a secret of an identity, the newest first
select l.leak_id, l.resource_name, l.first_place, l.where_kind, l.audience, l.is_current, l.first_seen_at, l.credential_id,
       l.is_live, l.link_evidence, count(*) over () as total
from leak_facts l
join identities i
  on i.identity_id = l.identity_id
where i.identity_key = $key
order by l.first_seen_at desc nulls last, l.leak_id
limit $most
