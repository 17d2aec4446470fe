"""Where pages are read and snippets run, and with whose rights."""
