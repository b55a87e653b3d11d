"""The runtime: execution environments in which deployed functions run, the Runtime API, packages and logs."""
