"""The table of supported encoders agrees with their descriptions."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourglass.acceleration.encoders import ENCODERS
from hourglass.acceleration.encoders.table import BEGIN, END, markdown, updated
from hourglass.acceleration.spec import EncoderSpec, Refusal

SPECS = [spec for name in ENCODERS.names() for spec in ENCODERS.get(name)]


def test_readme_is_up_to_date():
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert updated(readme) == readme, "run: python -m hourglass.acceleration.encoders.table README.md"


def test_every_class_is_listed_with_its_use():
    table = markdown()
    for spec in SPECS:
        if isinstance(spec, EncoderSpec):
            assert spec.use, spec.classes
            assert all(f"`{target.split(':')[1]}`" in table for target in spec.classes)


def test_every_class_is_described_once():
    described = [(target, getattr(spec, "root", "")) for spec in SPECS for target in spec.classes]
    assert len(set(described)) == len(described)
    assert any(isinstance(spec, Refusal) for spec in SPECS)


def test_a_document_without_marks_is_refused():
    with pytest.raises(ValueError, match="has no lines"):
        updated(f"{END} and only then {BEGIN}")
