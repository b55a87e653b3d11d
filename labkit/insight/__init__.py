"""Reads what the steps made and what the functions did; changes nothing."""
