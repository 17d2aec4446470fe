"""What's said about a trial."""
