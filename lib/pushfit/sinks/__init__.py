"""Uses of a stream other than training: measuring it and storing it.

They take batches as a trainer does. They do not know Keras.
"""
