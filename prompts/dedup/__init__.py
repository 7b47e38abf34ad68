"""Near-duplicates of short prompts by exact joins on word sets, with a guard for what changes the meaning."""
