"""Sample sources, written by `make_samples.py`: the miniature world's prompts in the manners of real collections."""
