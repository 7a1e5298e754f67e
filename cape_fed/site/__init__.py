"""What a hospital runs: it answers messages within its policy, and nothing leaves it but through one gate."""
