"""The report: figures, tables and plain words in one HTML file."""
