"""The wire between generators and trainer: its messages, the sockets that carry them, and the keys.

It knows who is at the other end of a connection. It does not know the run, its data or its leases.
"""
