"""Deduplication of short prompts against a known truth, beside other tools on the same file."""
