"""Evaluator: is the new voice as good as its parent?"""
