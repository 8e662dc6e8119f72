import ast
import re
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from storyapp import env

ROOT = Path(__file__).resolve().parents[2]


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLOUR", "  ")
    assert env.text("COLOUR", "blue") == "blue"
    assert env.number("COLOUR", 2.5, least=0, most=9) == 2.5
    assert env.items("COLOUR", "a,b") == ["a", "b"]


@pytest.mark.parametrize(
    ("said", "meant"), [("1", True), ("TRUE", True), (" yes ", True), ("on", True), ("0", False), ("no", False)]
)
def test_flags_are_read_as_people_write_them(monkeypatch: pytest.MonkeyPatch, said: str, meant: bool) -> None:
    monkeypatch.setenv("SHINY", said)
    assert env.flag("SHINY") is meant


def test_what_is_no_flag_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHINY", "perhaps")
    with pytest.raises(ImproperlyConfigured, match=r"^SHINY must be 1 or 0, not 'perhaps'\.$"):
        env.flag("SHINY")


@pytest.mark.parametrize("said", ["ten", "", "nan", "inf", "11", "-1"])
def test_a_number_lies_within_its_bounds(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("SIZE", said)
    if said:
        with pytest.raises(ImproperlyConfigured, match="SIZE must be"):
            env.number("SIZE", 5, least=0, most=10)
    else:
        assert env.number("SIZE", 5, least=0, most=10) == 5


def test_a_whole_number_has_no_fraction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIZE", "2.5")
    with pytest.raises(ImproperlyConfigured, match=r"^SIZE must be a whole number, not 2\.5\.$"):
        env.whole("SIZE", 5, least=0, most=10)


def test_items_lose_their_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMES", " a, b ,, c ")
    assert env.items("NAMES") == ["a", "b", "c"]


def test_an_address_has_a_scheme_and_no_slash_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE", "https://example.org/")
    assert env.address("PLACE") == "https://example.org"
    monkeypatch.setenv("PLACE", "example.org")
    with pytest.raises(ImproperlyConfigured, match="PLACE must begin with http"):
        env.address("PLACE")


def test_a_choice_names_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAL", "gold")
    with pytest.raises(ImproperlyConfigured, match=r"^METAL must be one of iron, tin, not 'gold'\.$"):
        env.choice("METAL", "tin", ("iron", "tin"))


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("COLOUR=red\nSHADE=dark\n")
    monkeypatch.setenv("COLOUR", "blue")
    monkeypatch.setenv("SHADE", "x")
    monkeypatch.delenv("SHADE")
    env.read_file(tmp_path / ".env")
    assert (env.text("COLOUR"), env.text("SHADE")) == ("blue", "dark")


def test_every_variable_is_listed_in_the_example_and_nothing_else() -> None:
    listed = re.findall(r"^([A-Z_]+)=$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(_read_by_settings())


def _read_by_settings() -> set[str]:
    """The names given to `env`, and to functions of the settings that pass their `name` on to it."""
    tree = ast.parse((ROOT / "storyapp" / "settings.py").read_text())
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    passing_on = {one.name for one in functions if [argument.arg for argument in one.args.args][:1] == ["name"]}
    return {
        call.args[0].value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and (_asks_env(call.func) or (isinstance(call.func, ast.Name) and call.func.id in passing_on))
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def _asks_env(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "env"
