"""What the components say of their arguments, in words and to screen readers."""

from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest
from wtforms import (
    BooleanField,
    Form,
    IntegerField,
    RadioField,
    SelectChoice,
    SelectMultipleField,
    StringField,
    validators,
)

from portal.services import names

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
FLAVORS = [SelectChoice("s", "small"), SelectChoice("l", "large")]
GROUPS = [SelectChoice("a", "web"), SelectChoice("b", "ssh")]


@pytest.fixture
def draw():
    """Renders a line of template with the macros of one component at hand."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)
    environment.filters["as_seen"] = names.as_seen
    environment.globals.update(
        url_for=lambda endpoint, filename: f"/static/{filename}", csrf_token=lambda: "a-token"
    )

    def line(component, text, **context):
        source = f'{{% import "components/{component}.html" as it %}}{text}'
        return " ".join(environment.from_string(source).render(**context).split())

    return line


class Answers(Form):
    name = StringField("Name", [validators.DataRequired("Give it a name.")])
    disk = IntegerField("Disk", default=20)
    flavor = RadioField("Flavor", choices=FLAVORS, default="l")
    groups = SelectMultipleField("Groups", choices=GROUPS, default=["b"])
    start = BooleanField("Start at once", default=True)


@pytest.fixture
def refused():
    form = Answers(data={"flavor": "l", "groups": ["b"]})
    form.validate()
    return form


def test_a_pill_has_a_word_and_a_shape_of_its_own(draw):
    shapes = set()
    for tone in ("ok", "busy", "off", "bad", "warn", "unknown"):
        pill = draw("status", "{{ it.pill('Running', tone) }}", tone=tone)
        assert "Running" in pill
        shapes.add(pill.split('href="')[1].split('"')[0])
    assert len(shapes) == 6


def test_a_name_is_never_markup(draw):
    assert "<script>" not in draw("status", "{{ it.pill(name, 'ok') }}", name="<script>")
    assert "<script>" not in draw(
        "danger", "{{ it.confirm_by_name('/', name, 'Delete') }}", name="<script>"
    )


def test_a_field_is_tied_to_its_hint_and_its_error(draw, refused):
    field = draw("form", "{{ it.field(form.name, hint='1 to 255 characters') }}", form=refused)
    assert 'aria-describedby="name-hint name-wrong"' in field
    assert 'aria-invalid="true"' in field
    assert 'id="name-wrong"' in field
    assert "Give it a name." in field


def test_a_field_without_fault_claims_none(draw):
    field = draw("form", "{{ it.field(form.disk, unit='GiB', min=1) }}", form=Answers())
    assert "aria-" not in field
    assert 'min="1"' in field
    assert "GiB" in field


def test_the_summary_of_errors_leads_to_each_field_and_takes_the_focus(draw, refused):
    summary = draw("form", "{{ it.error_summary(form) }}", form=refused)
    assert '<a href="#name">Name</a>' in summary
    assert "Some answers need another look" in summary
    assert "Give it a name." not in summary, "it stands beside the field"
    assert "Give it a name." in draw(
        "form", "{{ it.error_summary(form, whole=true) }}", form=refused
    )
    assert "autofocus" in summary


def test_a_refusal_is_shown_although_no_field_is_wrong(draw):
    summary = draw("form", "{{ it.error_summary(form, 'Quota exceeded') }}", form=Answers())
    assert "Quota exceeded" in summary
    assert "<ul>" not in summary


@pytest.mark.parametrize(
    ("name", "kind", "chosen"), [("flavor", "radio", "l"), ("groups", "checkbox", "b")]
)
def test_what_was_chosen_stays_chosen(draw, refused, name, kind, chosen):
    cards = draw("form", "{{ it.choices(field) }}", field=refused[name])
    assert cards.count(f'type="{kind}"') == 2
    assert cards.count(" checked>") == 1
    assert f'value="{chosen}" checked' in cards


def test_a_card_that_cannot_be_had_says_so(draw):
    cards = draw(
        "form",
        "{{ it.choices(field, options) }}",
        field=Answers().flavor,
        options=[
            {"value": "s", "title": "small", "note": "1 GiB"},
            {"value": "l", "title": "large", "note": "no host has that much", "disabled": True},
        ],
    )
    assert "no host has that much" in cards
    assert cards.count(" disabled>") == 1


def test_a_form_carries_its_token(draw):
    form = draw(
        "form",
        "{% call it.form_to('/keys', 'Add key', fields=form) %}x{% endcall %}",
        form=Answers(),
    )
    assert '<input type="hidden" name="csrf_token" value="a-token">' in form


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("'vCPU', 12, 20", "12 of 20"),
        ("'Memory', 24, 64, more=4, unit='GiB'", "24 + 4 of 64 GiB"),
        ("'Memory', 60, 64, more=8, unit='GiB'", "60 + 8 of 64 GiB: 4 GiB too many"),
        ("'Disk', 240, None, unit='GiB'", "240 GiB, no limit"),
    ],
)
def test_a_meter_says_in_words_what_its_bar_shows(draw, arguments, words):
    meter = draw("meter", f"{{{{ it.meter({arguments}) }}}}")
    assert f'<span class="number">{words}</span>' in meter


def test_a_limit_of_nothing_has_no_bar(draw):
    assert "<svg" not in draw("meter", "{{ it.meter('GPU', 0, 0) }}")


def test_a_single_page_has_no_pagination(draw):
    page = SimpleNamespace(number=1, pages=1, prev_url=None, next_url=None)
    assert draw("table", "{{ it.pagination(page) }}", page=page) == ""


def test_the_column_that_sorts_says_how(draw):
    sort = {"url": "?sort=-name", "order": "descending"}
    header = draw("table", "{{ it.header('Name', sort) }}", sort=sort)
    assert 'aria-sort="descending"' in header
    assert 'href="?sort=-name"' in header


def test_deleting_names_what_goes_with_it_and_asks_for_the_name(draw):
    form = draw(
        "danger",
        "{{ it.confirm_by_name('/x', 'web-1', 'Delete instance', gone) }}",
        gone=["Disk, 20 GiB"],
    )
    assert "<li>Disk, 20 GiB</li>" in form
    assert "Type <code>web-1</code> to confirm" in form
