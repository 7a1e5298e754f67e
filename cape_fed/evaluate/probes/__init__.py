"""Linear probes: fitted from sums over records, applied to the records that are evaluated."""
