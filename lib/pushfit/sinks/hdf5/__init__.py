"""A sink that stores a stream as HDF5 files (`pushfit.store.layout`), for later training.

    Dispatcher ─▶ Tee ─▶ Feed ─▶ batches, audited and hashed as in a trainer
                   └──▶ Storing ─▶ Writer ─▶ shards

The samples are stored as the fleet delivers them, in the plan's order, before they are mixed.
"""
