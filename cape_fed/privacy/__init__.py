"""Patient-level differential privacy for contrastive pretraining: random disjoint blocks, ledger, accounting, audit."""
