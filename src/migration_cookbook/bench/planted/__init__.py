"""Mutation testing of the checker: good snippets with a mistake in them, which it should detect."""
