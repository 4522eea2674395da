"""The trainer's end of the fleet: who works for the run, what each is granted, and what comes back.

It turns the fleet's results into deliveries in order. It does not know batches.
"""
