"""Configuration: types, reading, merging."""
