"""Statistics under resampled patients: metrics, the bootstrap, effects over seeds, similarity of embeddings."""
