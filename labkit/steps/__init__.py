"""The verbs of the story, one module a step: what is created, checked and deleted."""
