"""The cohort-artefact probe: how well the cohort of a record can be named from its embedding."""
