select distinct control_id from rule_controls where framework = 'owasp_nhi_2025' order by control_id
