select partner_id, attestation_id, kind, attested_by, attested_at, valid_to, declared_items, evidence as reference, register_row
from attestations
order by partner_id, attested_at desc nulls last, attestation_id, register_row
