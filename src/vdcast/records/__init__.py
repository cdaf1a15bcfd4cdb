"""What one stage leaves for another as JSON: the schema of each file, and how it is written and read."""
