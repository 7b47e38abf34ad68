"""Meshes → views → CLIP metrics → report → gate → registry."""
