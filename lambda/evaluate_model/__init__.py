"""The gate before the registry: does the trained model reach what the request asked for?"""
