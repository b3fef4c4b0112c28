"""What the content security policy and the page's own modules demand of the files served as they are."""

import re
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader

from kyc.liveness import MOVEMENTS, Action

APP = Path(__file__).parents[3] / "app"
FACE_CHECK = APP / "templates/proofing/_face_check.html"
SIGNING_TEMPLATES = [*sorted((APP / "templates/signing").glob("*.html")), FACE_CHECK]
TEMPLATES = [APP / "templates/base.html", APP / "templates/_macros.html", *SIGNING_TEMPLATES]
SCRIPTS = sorted((APP / "static/js").rglob("*.js"))
FACE_SCRIPTS = sorted((APP / "static/js/face").glob("*.js"))
SIGNING_SCRIPTS = [*sorted((APP / "static/js/signing").glob("*.js")), *FACE_SCRIPTS]

TEXT_AS_CODE = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"


def name_of(path: Path) -> str:
    return str(path.relative_to(APP))


@pytest.mark.parametrize("template", TEMPLATES, ids=name_of)
def test_no_inline_style_script_or_handler(template: Path) -> None:
    source = template.read_text()
    assert not re.search(r"\sstyle=|<style\b|\son[a-z]+=|javascript:", source)
    for opening in re.findall(r"<script\b[^>]*>", source):
        assert "src=" in opening or 'type="application/json"' in opening
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", source), "pages work without the internet"


@pytest.mark.parametrize("template", TEMPLATES, ids=name_of)
def test_templates_compile(template: Path) -> None:
    folder = APP / "templates"
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True)
    environment.get_template(str(template.relative_to(folder)))


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_scripts_never_parse_text_as_markup_or_code(script: Path) -> None:
    assert not re.search(TEXT_AS_CODE, script.read_text())


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_every_import_names_something_that_is_exported(script: Path) -> None:
    for names, address in re.findall(r"import \{([^}]*)\} from \"([^\"]+)\"", script.read_text()):
        exported = (script.parent / address).resolve().read_text()
        for name in filter(None, (part.strip() for part in names.split(","))):
            declaration = rf"export (?:async )?(?:const|class|function) {name}\b"
            assert re.search(declaration, exported), f"{name} from {address}"


def test_every_element_the_scripts_ask_for_is_on_the_page() -> None:
    page = "".join(template.read_text() for template in SIGNING_TEMPLATES)
    scripts = "".join(script.read_text() for script in SIGNING_SCRIPTS)
    asked = set(re.findall(r'byId\("([\w-]+)"\)', scripts))
    assert asked
    assert {name for name in asked if f'id="{name}"' not in page} == set()


def test_the_face_check_needs_nothing_of_the_page_it_stands_on() -> None:
    page, scripts = FACE_CHECK.read_text(), "".join(script.read_text() for script in FACE_SCRIPTS)
    asked = set(re.findall(r'byId\("([\w-]+)"\)', scripts))
    assert asked
    assert {name for name in asked if f'id="{name}"' not in page} == set()


def test_every_check_of_a_person_has_advice_and_every_action_an_instruction() -> None:
    texts = (APP / "static/js/face/texts.js").read_text()
    advice, moves = (texts[texts.index(f"export const {name}") :].split("};")[0] for name in ("ADVICE", "MOVES"))
    for action in Action:
        assert re.search(rf'"?{action}"?: \[', moves), action
    for check in (*MOVEMENTS, "depth-on-turn", "same-person", "repeated-capture", "flash-response", "eye-distance-px"):
        assert re.search(rf'"?{check}"?: ', advice), check


def test_colours_change_less_than_twice_a_second() -> None:
    source = (APP / "static/js/face/capture.js").read_text()
    [held] = re.findall(r"const COLOUR_MS = (\d+);", source)
    assert int(held) > 500


def test_every_icon_used_is_in_the_sprite() -> None:
    sprite = (APP / "static/img/icons.svg").read_text()
    used = {name for template in TEMPLATES for name in re.findall(r"icon\('(\w+)'\)", template.read_text())}
    assert used
    assert {name for name in used if f'id="{name}"' not in sprite} == set()


def test_the_private_key_is_made_non_extractable() -> None:
    source = (APP / "static/js/signing/keys.js").read_text()
    assert "const extractable = false;" in source
    assert re.search(r"generateKey\(CURVE, extractable, \[\"sign\"\]\)", source)
