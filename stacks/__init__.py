"""This deployment: which constructs, in which stack, wired how."""
