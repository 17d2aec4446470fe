"""Results of two databases as text, HTML and pictures."""
