"""What people and Prometheus see of federations and sites: it reads the files that others write."""
