"""A small world with small models in ordinary folders, so that the whole pipeline runs on a laptop."""
