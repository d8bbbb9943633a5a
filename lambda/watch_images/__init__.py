"""Judges images by their findings and bases: builds again what is built here, promotes what is built elsewhere."""
