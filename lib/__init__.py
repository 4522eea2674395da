"""PushFit: feed a Keras model from generator processes on any number of hosts."""
