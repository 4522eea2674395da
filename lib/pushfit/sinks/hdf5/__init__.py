"""A sink that stores the stream as HDF5 files (`pushfit.store.layout`), to be trained from again.

    Dispatcher ─▶ Tee ─▶ Feed ─▶ batches, audited and hashed as a trainer's are
                   └──▶ Storing ─▶ Writer ─▶ shards

What is stored is what the fleet delivered, in the plan's order, before it is mixed.
"""
