"""Photos in one folder for each class, as networks are trained on ImageNet: random crops and
augmentations. It knows what may be done to the pixels of a photo; it knows no model."""
