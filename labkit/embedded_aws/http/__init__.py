"""HTTP: the server on 127.0.0.1, who may ask, and which service is asked."""
