"""Kernels in C that teach a voice several times faster than TensorFlow's own operations.

Each computes what a function of `amadeus.dsp` or `amadeus.voice.recurrent` defines, and its gradient; tests hold
the two together. They serve practice only: a voice that is exported holds TensorFlow's standard operations. Where
the library could not be built, practice goes on without it.
"""
