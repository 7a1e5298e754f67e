"""From predictions to tables: cells, pools, means, differences, subgroups and calibration."""
