"""Environment that must be set before the heavy libraries are imported."""

import os

_DEFAULTS = {
    # Prompts are the users' own: nothing phones home, and start-up does not wait for a network.
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
    # MLflow's own are two minutes and seven tries: a server that went away would hold everything up.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    # Standard output is for results: no addresses of runs there, no chatter of migrations.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    # The first start of Prefect's embedded server migrates its store.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "RAY_TRAIN_V2_ENABLED": "1",
    # Watches for the preemption notices of clouds, which a machine of one's own does not send.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    # Without a dashboard this is written every few seconds.
    "RAY_DEDUP_LOGS_SKIP_REGEX": "Failed to query Ray Train Controller actor state",
    "RAY_COLOR_PREFIX": "0",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TOKENIZERS_PARALLELISM": "false",
}


def prepare_environment() -> None:
    """Set defaults for this process and its children; what the user has set stays."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
