"""Programs started and watched, and hosts on one machine: for benches, and for tests."""
