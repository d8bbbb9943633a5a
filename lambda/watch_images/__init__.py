"""Looks at an environment's images: is one changed, its base newer, are there findings that nobody has accepted?"""
