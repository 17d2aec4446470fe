"""Where are the two databases, and which of them are ours?"""
