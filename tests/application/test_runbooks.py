"""Alarms send people to sections of the runbooks that are there."""

import re
from pathlib import Path
from typing import get_args

from hf_sagemaker.runbooks import Runbook, see

PAGE = (Path(__file__).parents[2] / "docs/runbooks.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r'<a id="([a-z-]+)"></a>\n(## .*?)(?=\n<a id=|\Z)', PAGE, re.S))


def test_every_runbook_has_its_section() -> None:
    assert tuple(SECTIONS) == get_args(Runbook)
    assert see("disk", "backlog") == "What to do: docs/runbooks.md#disk, docs/runbooks.md#backlog"


def test_every_section_says_what_it_means_how_to_see_it_and_what_to_do() -> None:
    for name, text in SECTIONS.items():
        assert [word for word in ("**Means.**", "**See.**", "**Do.**") if word not in text] == [], name


def test_links_between_sections_lead_somewhere() -> None:
    assert set(re.findall(r"\]\(#([a-z-]+)\)", PAGE)) <= set(SECTIONS)
