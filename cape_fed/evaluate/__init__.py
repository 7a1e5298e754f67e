"""Evaluation of an encoder by probes on its frozen embeddings, with intervals, comparisons and a report.

Rooms, from the lowest to the highest; each imports from those before it only:

1. ``statistics``: metrics under resampled patients, the bootstrap, effects over seeds, similarity of embeddings.
2. ``targets``: what is predicted, and the patients behind a number. A new target is a file and a registration there.
3. ``cohorts``, ``options``, ``prediction``, ``results``: what the rooms hand each other.
4. ``foreign``: encoders of somebody else's, found by name, and what they make of a store.
   ``probes``: linear probes, fitted from sums, or trees, and applied to the records that are evaluated.
   ``handmade``: what is measured of a record without weights.
5. ``scoring``: from predictions to cells, means, differences, subgroups and calibration.
6. ``artefact``: how well the cohort of a record can be named from its embedding.
7. ``federated``: evaluation whose records stay at their sites.
8. ``files``: tables and arrays that an evaluation leaves in its directory.
9. ``report``: figures, tables and sentences in one HTML file.
10. ``inputs``, ``methods``, ``collect``, ``run``, ``compare``: whole evaluations and comparisons, step by step.
"""
