"""Chapters, the notebooks built from them, and the learners' copies."""
