"""Values that the steps of a check hand to each other."""
