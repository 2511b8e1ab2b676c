"""Mooring keeps pods next to the data of their volumes."""
