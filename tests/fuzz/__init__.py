"""Hostile input: mutated models for the importer, mutated plans for the native core. See ``docs/robustness.md``."""
