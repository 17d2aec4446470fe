"""The schema that a snippet requires."""
