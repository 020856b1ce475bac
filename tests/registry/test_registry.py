"""Names of the project, of installed packages and of a user's folder are looked up in one way."""

from __future__ import annotations

import sys

import pytest

from hourglass import registry
from hourglass.registry import INCLUDE, Registry, UserError

PACKAGE = "letters-of-others"


@pytest.fixture
def letters():
    return Registry("letter", {"alpha": 1, "beta": 2, "absent": "no_such_module:LETTER"})


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Makes an installed package with a module and entry points for letters."""

    def install(module, **entries):
        (tmp_path / "letters_of_others.py").write_text(module)
        metadata = tmp_path / "letters_of_others-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n")
        lines = [f"{name} = letters_of_others:{target}" for name, target in entries.items()]
        (metadata / "entry_points.txt").write_text("\n".join(["[hourglass.letters]", *lines]))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "letters_of_others", raising=False)

    return install


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A user's folder, which is included."""
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.setenv(INCLUDE, "")
    registry.include([folder])
    return folder


def test_targets_are_imported_when_they_are_asked_for(letters):
    assert letters.names() == ["alpha", "beta", "absent"]
    assert letters.get("beta") == 2
    assert Registry("function", {"sqrt": "math:sqrt"}).get("sqrt")(9) == 3
    with pytest.raises(ModuleNotFoundError):
        letters.get("absent")


def test_the_nearest_name_is_suggested_or_all_are_named(letters):
    with pytest.raises(UserError, match=r"^unknown letter 'alpa'; did you mean 'alpha'\?$"):
        letters.get("alpa")
    with pytest.raises(UserError, match=r"^unknown letter 'x'; known: alpha, beta, absent$"):
        letters.get("x")
    with pytest.raises(UserError, match=r"^unknown letter 'x'; known: none$"):
        Registry("letter").get("x")


def test_a_call_or_a_decorator_registers(letters):
    assert letters.register("gamma", 3) == 3

    @letters.register("delta")
    class Delta:
        pass

    assert letters.get("gamma") == 3
    assert letters.get("delta") is Delta
    with pytest.raises(UserError, match=r"^letter: the name 'alpha' is taken; choose another one$"):
        letters.register("alpha", 4)


def test_what_is_read_from_files_is_read_once_and_cannot_be_shadowed():
    reads = []
    letters = Registry("letter", read=lambda: reads.append(1) or {"alpha": 1})
    assert not reads
    with pytest.raises(UserError, match="'alpha' is taken"):
        letters.register("alpha", 2)
    assert letters.get("alpha") == 1
    assert reads == [1]


def test_another_object_stands_behind_a_name_for_a_while(letters):
    with letters.replaced("alpha", 7), letters.replaced("new", 8):
        assert (letters.get("alpha"), letters.get("new")) == (7, 8)
    assert letters.names() == ["alpha", "beta", "absent"]
    assert letters.get("alpha") == 1


def test_an_installed_package_adds_names_and_is_imported_late(letters, installed):
    installed("OMEGA = 24", omega="OMEGA")
    assert letters.names()[-1] == "omega"
    assert "letters_of_others" not in sys.modules
    assert letters.get("omega") == 24


def test_a_broken_package_is_one_line_and_breaks_no_other_name(letters, installed):
    installed("raise RuntimeError('no license')", omega="OMEGA")
    assert letters.get("alpha") == 1
    with pytest.raises(UserError) as caught:
        letters.get("omega")
    assert str(caught.value) == (
        f"letter 'omega': the package '{PACKAGE}' that brings it cannot be imported (RuntimeError: no license); "
        "repair or uninstall it"
    )


def test_a_package_cannot_take_a_name(letters, installed):
    installed("ALPHA = 0", alpha="ALPHA")
    with pytest.raises(UserError, match="'alpha' is taken"):
        letters.names()


def test_files_of_a_folder_register_and_import_each_other(folder, monkeypatch):
    letters = Registry("letter")
    monkeypatch.setattr(sys, "letters", letters, raising=False)
    (folder / "psi.py").write_text("import sys\nfrom ._numbers import PSI\nsys.letters.register('psi', PSI)\n")
    (folder / "_numbers.py").write_text("PSI = 23\n")
    assert letters.names() == ["psi"]
    assert letters.get("psi") == 23
    registry.include([folder])  # once more is no collision
    assert letters.names() == ["psi"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\nfrom nowhere import something\n", "wrong.py:2: cannot be imported: ModuleNotFoundError: No module named"),
        ("def f(:\n", "wrong.py:1: cannot be imported: SyntaxError: invalid syntax"),
        ("def f():\n    return 1 / 0\n\nf()\n", "wrong.py:2: cannot be imported: ZeroDivisionError: division by zero"),
        ("import sys\nsys.letters.register('alpha', 2)\n", "wrong.py:2: letter: the name 'alpha' is taken"),
    ],
)
def test_a_file_that_cannot_be_imported_is_one_line(folder, letters, monkeypatch, content, message):
    monkeypatch.setattr(sys, "letters", letters, raising=False)
    (folder / "wrong.py").write_text(content)
    with pytest.raises(UserError) as caught:
        letters.names()
    assert str(caught.value).startswith(f"{folder}/{message}")
    assert "\n" not in str(caught.value)


def test_folders_that_are_not_there(tmp_path, letters, monkeypatch):
    with pytest.raises(UserError, match=r"^include: there is no folder .*/nothing; name one that holds Python files$"):
        registry.include([tmp_path / "nothing"])
    monkeypatch.setenv(INCLUDE, str(tmp_path / "gone"))
    with pytest.raises(UserError, match=r"^HOURGLASS_INCLUDE: there is no folder .*/gone"):
        letters.names()
