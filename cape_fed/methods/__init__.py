"""Federated methods, one file each, with what a method does at the coordinator and at the sites."""
