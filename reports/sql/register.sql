select holds, file, rows, accepted, exported_at from register_files order by holds, file
