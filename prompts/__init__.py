"""The corpus: prompt sources, cleaning, filters, deduplication, versions and the order in which training visits it.

    sources (JSONL, JSON, CSV, TSV, Parquet, text, Hugging Face)      sources.py, lines.py, tables.py
      → cleaned text, or a reason why not                             clean.py, language.py, filters.py
      → versioned folder that `datasets.load_dataset` reads           build.py, card.py
      → memory-mapped prompts, in a computed order                    corpus.py, sampler.py

Every row goes on as one line of one table, `(source, source_row, text, reason, detail)`; whoever refuses it writes the
reason, nobody deletes it.
"""
