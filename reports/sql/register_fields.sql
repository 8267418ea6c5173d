select holds, field, filled, rows from register_fields order by holds, field
