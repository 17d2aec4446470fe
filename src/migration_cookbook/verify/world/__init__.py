"""What must exist before a snippet makes sense."""
