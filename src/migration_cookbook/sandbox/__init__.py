"""A learner's project with its two databases, and Alembic's command line in process."""
