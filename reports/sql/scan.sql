select scan_id, as_of, started_at, finished_at, tool_version, company, is_complete, is_baseline from scans
