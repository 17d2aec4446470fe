"""The two databases: where they are, and which of them are ours."""
