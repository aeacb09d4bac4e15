"""Talks to a studio: what `amadeus perform --studio` and `amadeus practice --studio` are made of."""
