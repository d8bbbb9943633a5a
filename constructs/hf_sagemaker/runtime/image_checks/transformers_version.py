"""What every image is asked: does transformers load, in the version that its settings pin?"""


def check_transformers(expected: str) -> None:
    """SystemExit: it is another version. expected: empty when none is pinned. ImportError: it does not load."""
    import transformers

    if expected and transformers.__version__ != expected:
        raise SystemExit(f"transformers is {transformers.__version__}, and was to be {expected}")
    print(f"transformers {transformers.__version__} loads", flush=True)
