"""Tuning: the knobs of a voice that is there already, turned.

Knobs of the player make a new generation with the same network, in less than a second and without TensorFlow. Knobs of
the learner run the pipeline again with what the network was taught with, the player's along with them.
"""
