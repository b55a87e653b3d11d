"""The headless run: the notebooks under papermill, executed copies, and one report."""
