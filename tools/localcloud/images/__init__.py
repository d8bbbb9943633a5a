"""Container images and containers without Docker: what a Dockerfile says, done in folders and virtual environments.

An image is a virtual environment and a folder of files, with the settings that its Dockerfile gives it; a container is
a private copy of both (hard links, so it costs a second and no disk) and a process tree that cannot outlive us.
"""
