"""The public interface for a script: a stream of batches, its position, and its checkpoints.

Knows the streams, the adapters and how a checkpoint is written; installs nothing in the process.
"""
