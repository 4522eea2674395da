"""What trained runs say of records that they have not seen: streamed, combined, written."""
