"""JupyterLab as a learner meets it."""
