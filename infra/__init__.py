"""The ground floor: recipes, settings, run folders, weights and process mechanics. Imports nothing of ours."""
