"""What runs, in what order: Prefect flows and the command line `prd`."""
