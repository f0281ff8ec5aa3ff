"""axe-core, which finds what keeps people out: fetched once from npm, and compared with its sum."""

import functools
import hashlib
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

from playwright.sync_api import Page

KEPT = Path(__file__).resolve().parents[2] / ".test"
PACKAGE = "axe-core@4.14.1"
SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

RUN = """async rules => {
    const {violations} = await axe.run({runOnly: rules, resultTypes: ["violations"]});
    return violations.flatMap(({id, nodes}) => nodes.map(node => `${id}: ${node.target} ` +
        node.failureSummary));
}"""


def violations(page: Page) -> list[str]:
    """What breaks WCAG 2.0 to 2.2, A and AA, on a page as it is shown now: rule, place, why."""
    if page.evaluate("() => typeof axe") == "undefined":
        page.evaluate(_source())
    return page.evaluate(RUN, RULES)


@functools.cache
def _source() -> str:
    kept = KEPT / f"{PACKAGE}.min.js"
    if not kept.exists():
        KEPT.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=KEPT) as directory:
            _fetch(Path(directory)).rename(kept)
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == SHA256, f"{kept} is not {PACKAGE}"
    return kept.read_text()


def _fetch(into: Path) -> Path:
    subprocess.run(
        ["npm", "pack", "--silent", "--", PACKAGE],
        cwd=into,
        env=os.environ | {"npm_config_update_notifier": "false"},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    with tarfile.open(next(into.glob("*.tgz"))) as tarball:
        source = tarball.extractfile("package/axe.min.js").read()
    file = into / "axe.min.js"
    file.write_bytes(source)
    return file
