"""Looks at an environment's images once a day: is the base newer, are there findings that nobody has accepted?"""
