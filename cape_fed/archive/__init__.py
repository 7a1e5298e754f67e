"""Readers for ECG archives, one file a format, the doctor that reports on them and the ingest into stores."""
