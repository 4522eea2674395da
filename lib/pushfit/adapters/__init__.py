"""The batches of a stream as a framework takes them, a module for each framework.

An adapter knows its framework and `Passes`, and neither fleets nor settings.
"""
