select a.partner_id, a.package_id, p.name, p.max_level, a.package_version, a.assigned_at, a.assigned_by, a.expires_at,
       a.register_row
from package_assignments a
left join (
    select package_id, min(name) as name, max(max_level) as max_level from packages group by package_id
) p on p.package_id = a.package_id
order by a.partner_id, a.package_id, a.assigned_at, a.register_row
