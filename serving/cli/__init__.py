"""Commands that need a studio or are one; `amadeus` loads them by name."""
