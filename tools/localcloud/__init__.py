"""An AWS on one machine, on which the stacks of this project deploy and run without an account.

moto's server in one process, extended by one module per part that it lacks. A development tool: nothing that is
deployed knows that it exists.
"""
