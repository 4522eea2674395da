"""What `pushfit config --init` copies into a folder `cfg`; a checkout has the same files there."""
