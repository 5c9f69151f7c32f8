"""The reference pages say what the code does."""

import re

import pytest

from staging.cli.reference import PAGES, commands_text
from tests import metrics_page, type_matrix
from tests.contract.reading.servers import ROOT


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_generated_page_is_that_of_the_code(page):
    assert (ROOT / page).read_text() == PAGES[page](), "run `make reference`"


def test_the_page_of_types_is_that_of_the_tests():
    assert type_matrix.PAGE.read_text() == type_matrix.page_text(), "run `make reference`"


def test_the_page_of_metrics_is_that_of_the_registries():
    assert metrics_page.PAGE.read_text() == metrics_page.page_text(), "run `make reference`"


def test_the_guide_to_the_command_line_names_every_command():
    guide = (ROOT / "docs/reference/command-line.md").read_text()
    commands = re.findall(r"^#+ `(staging .+)`$", commands_text(), re.MULTILINE)

    assert len(commands) > 15
    assert [each for each in commands if each.rsplit(" ", 1)[1] not in guide] == []
