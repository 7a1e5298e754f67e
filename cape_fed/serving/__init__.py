"""A bundle as a server: recordings in, embeddings out, by the Open Inference Protocol over gRPC."""
