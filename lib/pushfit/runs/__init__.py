"""The folder of a run: what it writes, what a checkpoint holds, and how a run is resumed."""
