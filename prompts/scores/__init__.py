"""What can be measured on a prompt, and the policy that refuses prompts by it.

    registry.py    every scorer: name, unit, range, what a high score means, which columns it reads
    config.py      the policy in the recipe: limits for scorers, in order
    revision.py    which code and data the scores come from, so that a changed scorer measures anew
    policy.py      scores of rows as columns; the first filter that a row fails is its reason

A scorer is a plain function from rows to one number per row, in a file of its own (docs/adding-a-filter.md). What is
common to them: `word_hash.py` and `lexicon.py` (weighted words and phrases).
"""
