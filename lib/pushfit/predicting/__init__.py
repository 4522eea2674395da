"""Predictions of trained runs for new records: streamed, combined and written."""
