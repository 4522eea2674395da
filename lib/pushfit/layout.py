"""The known names of folders in a links folder: one list for scans, reports and messages."""

from __future__ import annotations

TRAIN_FOLDERS = ("train", "flickr_images")
VAL_FOLDERS = ("val_images", "val", "valid", "validation")  # one of them at a time
TEST_FOLDER = "test"
STORED_FOLDER = "hdf5"

# name: what it is for
KNOWN = {
    "train": "training photos",
    "flickr_images": "extra training photos",
    **dict.fromkeys(VAL_FOLDERS, "validation photos"),
    TEST_FOLDER: "test photos",
    STORED_FOLDER: "stored streams",
}
