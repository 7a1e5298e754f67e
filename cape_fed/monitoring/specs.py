"""Every metric there is: name, meaning, labels. docs/monitoring.md and the tests of rules and dashboard rest on it."""

from __future__ import annotations

from cape_fed.monitoring.build import BUILD
from cape_fed.monitoring.families import Spec

RUN, RUN_SITE, SITE = ("run",), ("run", "site"), ("site",)

RUN_SPECS = (
    BUILD,
    Spec(
        "cape_fed_run_info", "A run: the name of its directory and its federated method.", ("run", "name", "strategy")
    ),
    Spec("cape_fed_run_state", "1 for the state that a run is in, 0 for the others.", ("run", "state")),
    Spec("cape_fed_run_rounds_done", "Rounds that a run has done.", RUN),
    Spec("cape_fed_run_rounds_planned", "Rounds that a run is to have.", RUN),
    Spec("cape_fed_run_last_round_timestamp_seconds", "When the last round of a run ended, in Unix time.", RUN),
    Spec("cape_fed_run_round_seconds", "Length of the last round.", RUN),
    Spec("cape_fed_run_usual_round_seconds", "Median length of the last 20 rounds.", RUN),
    Spec("cape_fed_run_part_seconds_total", "Time spent by part of a round.", ("run", "part")),
    Spec("cape_fed_run_loss", "Mean loss of the last round, weighted by patients.", RUN),
    Spec(
        "cape_fed_run_drift_ratio",
        "Client drift of the last round: distance of updates from their mean over its norm.",
        RUN,
    ),
    Spec(
        "cape_fed_run_bytes_total",
        "Bytes of encoders, updates and texts moved, down to or up from sites.",
        ("run", "direction"),
    ),
    Spec("cape_fed_run_below_quorum", "1 while a round lacks a quorum and is tried again.", RUN),
    Spec("cape_fed_run_sites", "Sites of a run by how they stand.", ("run", "standing")),
    Spec(
        "cape_fed_run_site_standing", "1 for how a site stands in a run, 0 for the others.", ("run", "site", "standing")
    ),
    Spec("cape_fed_run_site_rounds_total", "Rounds in which a site's reply counted.", RUN_SITE),
    Spec(
        "cape_fed_run_site_patients", "Training patients that a site gave in the last round it took part in.", RUN_SITE
    ),
    Spec("cape_fed_run_site_loss", "Loss of a site in the last round it took part in.", RUN_SITE),
    Spec("cape_fed_run_site_work_seconds", "Time that a site said it worked in its last round.", RUN_SITE),
    Spec("cape_fed_run_site_answer_seconds", "Time from the question to a site's answer in its last round.", RUN_SITE),
    Spec(
        "cape_fed_run_site_samples_per_second", "Recordings that a site trained on, over the time it worked.", RUN_SITE
    ),
    Spec(
        "cape_fed_run_site_epsilon",
        "Epsilon of a site's patients in this run so far, as the site says; of private runs alone.",
        RUN_SITE,
    ),
    Spec(
        "cape_fed_run_site_refused_total",
        "Replies of a site that did not count, by the code of the reason.",
        ("run", "site", "reason"),
    ),
    Spec(
        "cape_fed_run_site_failed_total",
        "Messages that a site gave no reply to, by the code of the reason.",
        ("run", "site", "reason"),
    ),
    Spec("cape_fed_coordinator_runs_unreadable", "Runs whose files make no sense; the exporter's log says why."),
    Spec("cape_fed_coordinator_disk_free_bytes", "What can still be written where the runs are."),
    Spec("cape_fed_coordinator_disk_size_bytes", "Size of the file system where the runs are."),
    Spec(
        "cape_fed_coordinator_certificate_expiry_timestamp_seconds",
        "When the SuperLink's certificate ends, in Unix time.",
    ),
)
"""What ``cape-fed metrics`` shows."""

SITE_SPECS = (
    BUILD,
    Spec("cape_fed_site_info", "The site and the role that it lets itself be asked for.", ("site", "role")),
    Spec(
        "cape_fed_site_messages_total",
        "Messages, by what they asked and how they ended.",
        ("site", "action", "outcome"),
    ),
    Spec("cape_fed_site_message_seconds_total", "Time spent on messages, by what they asked.", ("site", "action")),
    Spec("cape_fed_site_working", "1 while a message is being worked on.", SITE),
    Spec(
        "cape_fed_site_working_since_timestamp_seconds", "When work on the message under way began, in Unix time.", SITE
    ),
    Spec("cape_fed_site_last_message_timestamp_seconds", "When the last message was answered, in Unix time.", SITE),
    Spec(
        "cape_fed_site_run_info",
        "Run of the last message and hash of the code that answered it.",
        ("site", "run", "source"),
    ),
    Spec("cape_fed_site_round", "Round of the last message.", SITE),
    Spec("cape_fed_site_loss", "Mean loss of the last round that was trained here.", SITE),
    Spec("cape_fed_site_samples_total", "Recordings trained on, two a pair and step.", SITE),
    Spec("cape_fed_site_samples_per_second", "Recordings a second in the last round that was trained here.", SITE),
    Spec(
        "cape_fed_site_bytes_total",
        "Bytes of arrays and texts in messages (down) and replies (up).",
        ("site", "direction"),
    ),
    Spec(
        "cape_fed_site_epsilon",
        "Epsilon of this site's patients in the run of the last message, if that is a private one.",
        SITE,
    ),
    Spec("cape_fed_site_gpu_peak_bytes", "Most GPU memory that PyTorch held during the last message.", SITE),
    Spec(
        "cape_fed_site_gpu_utilisation_ratio",
        "Share of the time that a GPU computed, as nvidia-smi says.",
        ("site", "gpu"),
    ),
    Spec(
        "cape_fed_site_gpu_memory_used_bytes",
        "Memory of a GPU in use by all processes, as nvidia-smi says.",
        ("site", "gpu"),
    ),
    Spec("cape_fed_site_gpu_memory_size_bytes", "Memory of a GPU, as nvidia-smi says.", ("site", "gpu")),
    Spec(
        "cape_fed_site_disk_free_bytes",
        "What can still be written where the state, or a store, is.",
        ("site", "volume"),
    ),
    Spec(
        "cape_fed_site_disk_size_bytes", "Size of the file system where the state, or a store, is.", ("site", "volume")
    ),
    Spec("cape_fed_site_stores", "Stores that can be opened, and that cannot.", ("site", "readable")),
    Spec("cape_fed_site_store_records", "Recordings of a cohort.", ("site", "cohort")),
    Spec("cape_fed_site_store_patients", "Patients of a cohort.", ("site", "cohort")),
    Spec(
        "cape_fed_site_certificate_expiry_timestamp_seconds",
        "When a certificate ends, in Unix time: the authority's that the site trusts, or the one the SuperLink shows.",
        ("site", "certificate"),
    ),
)
"""What ``cape-fed site metrics`` shows."""

SERVING_LATENCY = Spec(
    "cape_fed_serving_request_seconds", "Time from a whole request to its answer, as a histogram; of those answered."
)
SERVING_SPECS = (
    BUILD,
    Spec(
        "cape_fed_serving_info",
        "The encoder: what clients call it, the hash of its bundle, its profile.",
        ("model", "version", "profile"),
    ),
    Spec("cape_fed_serving_requests_total", "Requests for embeddings, by gRPC's code of their answer.", ("code",)),
    Spec("cape_fed_serving_received_bytes_total", "Bytes of requests for embeddings."),
    SERVING_LATENCY,
    Spec("cape_fed_serving_records_total", "Recordings embedded."),
    Spec("cape_fed_serving_batches_total", "Batches that the encoder computed."),
    Spec(
        "cape_fed_serving_work_seconds_total",
        "Time spent by part of the work, summed over the threads: prepare (read and preprocess), encode.",
        ("part",),
    ),
    Spec("cape_fed_serving_held_records", "Recordings that are accepted and not yet answered."),
    Spec("cape_fed_serving_queue_records", "Recordings that may be so at most."),
    Spec(
        "cape_fed_serving_certificate_expiry_timestamp_seconds",
        "When the certificate that the server read ends, in Unix time.",
    ),
)
"""What ``cape-fed serve --metrics`` shows."""
