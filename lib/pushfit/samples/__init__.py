"""Small data sets to try PushFit with: simulated photos, and scikit-learn's digits.

This room knows the folders that tasks read, and nothing of the wire, of Keras or of settings.
"""
