"""What `ingest` found the data to be worth, in words and pictures; no raw file is read again for them."""
