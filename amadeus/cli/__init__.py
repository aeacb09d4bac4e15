"""The `amadeus` command: it says what it will do, and imports nothing heavy before it must."""
