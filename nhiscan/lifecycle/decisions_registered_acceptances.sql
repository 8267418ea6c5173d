-- as a file of the register says it; what commands wrote is read from the ledger itself
select acceptance_id, approved_by, expires_at, renewals, register_row
from acceptances
where rule_id = $rule
    and subject_id = $subject
    and register_row not like 'ledger/%.jsonl:%'
order by acceptance_id
