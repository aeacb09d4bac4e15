"""What happened in a practice, as data, as words and as one HTML page."""
