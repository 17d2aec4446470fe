"""One snippet tried on one database."""
