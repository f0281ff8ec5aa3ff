"""Texts that people gave to cloud-init elsewhere, and texts that are meant to do harm."""

import base64
import gzip

CONFIG = "#cloud-config\n"
RUN = "runcmd:\n  - echo ran > /var/tmp/ran\n"
MESSAGE = """Content-Type: multipart/mixed; boundary="==field=="
MIME-Version: 1.0

--==field==
Content-Type: text/cloud-config; charset="utf-8"
MIME-Version: 1.0

#cloud-config
{config}
--==field==
Content-Type: text/x-shellscript; charset="utf-8"
MIME-Version: 1.0
Content-Transfer-Encoding: base64

{script}
--==field==--
"""


def message(config: str = RUN, script: str = "#!/bin/sh\necho größe\n") -> str:
    return MESSAGE.format(config=config, script=base64.encodebytes(script.encode()).decode())


TAKEN = {  # byte for byte
    "nothing": "",
    "config": CONFIG + RUN,
    "empty config": CONFIG,
    "config in capitals": "#Cloud-Config\n" + RUN,
    "config behind an empty line": "\n" + CONFIG + RUN,
    "script": "#!/bin/sh\nprintf '\x1b[1m%s\\t\t' x\n",
    "archive": "#cloud-config-archive\n- type: text/cloud-config\n  content: |\n    " + CONFIG
    + "    runcmd: [[sh, -c, x]]\n- |\n  #!/bin/sh\n  echo\n",
    "archive with a colon": "#cloud-config-archive:\n- content: |\n    #!/bin/sh\n    echo\n",
    "patch": '#cloud-config-jsonp\n[{"op": "add", "path": "/runcmd", "value": ["x"]}]\n',
    "template": "## template: jinja\n" + CONFIG + "runcmd:\n  - {{ v1.local_hostname }}\n"
    "{% if 1 %}  - touch /x\n{% endif %}",
    "message": message(),
    "message of 60 KiB": message(RUN + "# " + "x" * 60_000),
    "boothook": "#cloud-boothook\n#!/bin/sh\necho\n",
    "include": "#include\nhttp://192.0.2.1/x\n",
    "ignition": '{"ignition": {"version": "3.4.0"}}\n',
    "windows": "<powershell>\nGet-Date\n</powershell>\n",
    "a merge": CONFIG + "x-a: &a {b: c}\nusers:\n  - {<<: *a, name: x}\n  - {<<: [*a], name: y}\n",
    "numbers and dates": CONFIG + "mounts: [1, -2.5, 0x1f, 0o7, 1_000, .inf, 2024-02-29, 12:30:45, "
    "2001-12-14t21:59:43.10-05:00, ~, yes]\n",
    "tabs where they may be": CONFIG + "final_message: \"a\tb\"\n# c\td\nruncmd:\n- |\n  x\ty\n",
    "strange but inside": CONFIG + "final_message: 'Größe: 5 €, ☁️'\n",
}  # fmt: skip

MENDED = {  # what is sent → what an instance gets
    "byte order mark": ("\ufeff" + CONFIG + RUN, CONFIG + RUN),
    "mark before a script": ("\ufeff#!/bin/sh\necho\n", "#!/bin/sh\necho\n"),
    "CRLF": ((CONFIG + RUN).replace("\n", "\r\n"), CONFIG + RUN),
    "CR alone": ("#!/bin/sh\recho\r", "#!/bin/sh\necho\n"),
    "blanks alone": (" \r\n \r\n", ""),
}

DOUBTED = {  # what is sent → what is asked
    "document marker": ("---\n" + CONFIG + RUN, "begins with “---”.*only when the first line"),
    "blank in the header": ("# cloud-config\n" + RUN, "wants #cloud-config without a blank"),
    "no header": (RUN, "begins with “runcmd:”.*only when the first line is #cloud-config"),
    "prose": ("Please install nginx.\n", "knows nothing by"),
    "blank line before a script": ("\n#!/bin/sh\necho\n", "begins in line 2.*very first"),
    "no-break indentation": (
        CONFIG + "write_files:\n\u00a0\u00a0- path: /etc/x\n",
        r"Line 3 holds a no-break space \(U\+00A0\)",
    ),
    "key misspelt": (CONFIG + "run_cmd: [a]\n", r"no key “run_cmd” \(line 2\). Was runcmd meant"),
    "key of a host": (CONFIG + "network: {version: 2}\n", "no key “network”"),
    "key of another kind": (CONFIG + "runcmd: echo x\n", "“runcmd” in line 2 is one value.*a list"),
    "key twice": (CONFIG + RUN + "locale: C\n" + RUN, "in line 2 and again in line 5.*last one"),
    "template without a header": ("## template: jinja\nruncmd: x\n", "comes nothing"),
    "template misspelt": ("##template: jinja\n" + CONFIG, "wants exactly ## template: jinja"),
    "message without a version": (
        message().replace("MIME-Version: 1.0\n", ""),
        "MIME-Version: 1.0",
    ),
    "message without a boundary": ("MIME-Version: 1.0\nContent-Type: x/y\n\nz\n", "no boundary"),
    "message without parts": (message().replace("--==", "--"), "No line of this message"),
    "a part that is nothing": (
        message().replace("text/cloud-config", "text/plain").replace("#cloud-config", "# hm"),
        "Line 8 begins with “# hm”",
    ),
    "a part misspelt": ("#cloud-config-archive\n- |\n  #cloud-config\n  run_cmd: [a]\n", "line 4"),
    "what was no text": ("#!/bin/sh\necho \ufffd\n", r"Line 2 holds U\+FFFD"),
}

REFUSED = {  # what is sent → why
    "header behind blanks": ("\n  " + CONFIG + "packages: [\n", "not valid YAML in line 4"),
    "no-break space in a key": (
        CONFIG + "package_update:\u00a0true\n",
        "A #cloud-config is a mapping.*Line 2 holds a no-break space",
    ),
    "tab in a line": (CONFIG + RUN + "\t\n", "line 4.*tab"),
    "tab between tokens": (CONFIG + "locale:\tC\n", "line 2.*tab"),
    "control character": (CONFIG + "# caf\u0080\n" + RUN, r"line 2.*U\+0080"),
    "list": (CONFIG + "- a\n", "A #cloud-config is a mapping.*this is a list"),
    "mapping in an archive": ("#cloud-config-archive\na: b\n", "is a list.*this is a mapping"),
    "two documents": (CONFIG + RUN + "---\nlocale: C\n", "line 4: a second document"),
    "braces without a template": (
        CONFIG + "hostname: {{ v1.local_hostname }}\n",
        "line 2.*## template: jinja",
    ),
    "broken part": (message("packages: ["), "not valid YAML in line 10"),
    "broken patch": ("#cloud-config-jsonp\n[\n", "not valid JSON in line"),
    "patch of no list": ("#cloud-config-jsonp\n{}\n", "is a list of operations"),
    "date": (CONFIG + "locale: 2024-02-30\n", "line 2: 2024-02-30 looks like a date"),
    "date zero": (CONFIG + "locale: 0000-00-00\n", "line 2.*a date"),
    "offset": (CONFIG + "locale: 2001-12-14T21:59:43-99:99\n", "line 2.*a date"),
    "hexadecimal": (CONFIG + "locale: 0x_\n", "0x_ looks like a number and is none"),
    "binary": (CONFIG + "locale: 0b_\n", "0b_ looks like a number"),
    "digits": (CONFIG + "locale: " + "1" * 5000 + "\n", "line 2.*looks like a number"),
    "times sixty": (CONFIG + "locale: 1" + ":59" * 9000 + ".5\n", "line 2.*like a number"),
    "deep list": (CONFIG + "locale: " + "[" * 5000 + "]" * 5000, "more than 100 collections"),
    "deep and open": (CONFIG + "locale: " + "[" * 60_000, "more than 100 collections"),
    "deep mapping": (CONFIG + "locale: " + "{a: " * 5000, "more than 100 collections"),
    "tag of a time": (CONFIG + "locale: !!timestamp 'tomorrow'\n", "tomorrow looks like a date"),
    "tag of a number": (CONFIG + "locale: !!float 'much'\n", "much looks like a number"),
    "tag of an empty number": (CONFIG + "locale: !!int ''\n", "looks like a number"),
    "tag of Python": (CONFIG + "a: !!python/object/apply:os.system [x]\n", "no use for the tag"),
    "tag unknown": (CONFIG + "a: !x y\n", "no use for !x"),
    "value of nothing": (CONFIG + "locale: =\n", "no use for ="),
    "merge of a value": (CONFIG + "locale: {<<: x}\n", "<<: takes a mapping"),
    "alias unknown": (CONFIG + "locale: *a\n", "nothing is named &a"),
    "alias of itself": (CONFIG + "locale: &a [*a]\n", "&a holds itself"),
    "anchor twice": (CONFIG + "locale: [&a x, &a y]\n", "&a is named twice"),
    "base64": (base64.b64encode((CONFIG + RUN).encode()).decode(), "is base64: paste"),
    "base64 in lines": (base64.encodebytes((CONFIG + RUN * 4).encode()).decode(), "is base64"),
    "base64 of a message": (base64.b64encode(message().encode()).decode(), "is base64"),
    "base64 of gzip": (base64.b64encode(gzip.compress(b"x", mtime=0)).decode(), "gzip = false"),
    "gzip": (gzip.compress(b"x", mtime=0).decode("utf-8", "replace"), "this holds a NUL byte"),
    "gzip without NUL": ("\x1f\ufffd\x08x", "compressed by gzip"),
    "NUL": ("#!/bin/sh\n\0", "a NUL byte in line 2"),
    "half a character": ("#!/bin/sh\n\ud800", "half a character"),
    "a byte too many": ("#!/bin/sh\n" + "x" * 65_526, "at most 65,535 bytes; this has 65,536"),
    "a character of many bytes": ("#!/bin/sh\n" + "é" * 32_763, "at most 65,535 bytes"),
}  # fmt: skip


def merges(levels: int, fan: int = 9) -> str:
    """Each level holds the one before it so many times."""
    lines = ["a0: &a0 {" + ", ".join(f"k{each}: 1" for each in range(fan)) + "}"]
    for level in range(1, levels + 1):
        again = ", ".join([f"*a{level - 1}"] * fan)
        lines.append(f"a{level}: &a{level} {{<<: [{again}]}}")
    return CONFIG + "\n".join(lines) + "\n"


def lists(levels: int, fan: int = 9) -> str:
    """A billion laughs."""
    lines = ["a0: &a0 [" + ", ".join(["x"] * fan) + "]"]
    for level in range(1, levels + 1):
        again = ", ".join([f"*a{level - 1}"] * fan)
        lines.append(f"a{level}: &a{level} [{again}]")
    return CONFIG + "\n".join(lines) + "\n"


def _filled(piece: str, behind: str = CONFIG) -> str:
    return behind + piece * ((65_000 - len(behind)) // len(piece.encode()))


BOMBS = {
    "merges": merges(7),
    "more merges": merges(700),
    "laughs": lists(700),
    "brackets": _filled("["),
    "braces": _filled("{a: "),
    "pairs of brackets": CONFIG + "a: [" + "[]," * 21_000 + "]",
    "empty items": _filled("-\n"),
    "empty keys": _filled("?\n"),
    "items in a row": _filled("- "),
    "keys": CONFIG + "".join(f"k{number}: 1\n" for number in range(6500)),
    "keys that are nearly known": CONFIG + "".join(f"runcm{n}: 1\n" for n in range(5000)),
    "items of a flow": CONFIG + "a: [" + "b," * 32_000 + "]",
    "pairs of a flow": CONFIG + "[" * 95 + "a: b, " * 10_000,
    "steps": CONFIG + "".join(" " * number + "a:\n" for number in range(350)),
    "anchors": CONFIG + "".join(f"a{n}: &x{n} 1\n" for n in range(4500)),
    "aliases": CONFIG + "a: &a b\nb: [" + "*a," * 21_000 + "]",
    "merges in a row": CONFIG + "a: &a {}\nb: {<<: [" + "*a," * 21_000 + "]}",
    "one word": CONFIG + "a: " + "x" * 65_000,
    "one number": CONFIG + "a: " + "1" * 65_000,
    "almost a number": CONFIG + "a: 1" + "_" * 65_000 + "x",
    "almost a date": CONFIG + "a: 2024-01-01" + " " * 64_000 + "x",
    "times": CONFIG + "a: [" + "1:59:59:59:59:59:59:59.9," * 2600 + "]",
    "dates": CONFIG + "a: [" + "2024-01-01," * 5900 + "]",
    "tags": _filled("- !!int 1\n"),
    "prefixes of tags": "".join(f"%TAG !{n}! x\n" for n in range(4000)),
    "tabs in a value": CONFIG + 'a: "' + "\t" * 60_000 + '"',
    "tabs in a comment": CONFIG + 'a: "' + " #" * 15_000 + '" # ' + "\t" * 30_000,
    "comments": _filled("# \t\n"),
    "comments in a value": CONFIG + 'a: "' + " #\t" * 20_000 + '"',
    "NULs": _filled("\0"),
    "byte order marks": "\ufeff" * 21_000,
    "UTF-16": (CONFIG + "a: b\n" * 6000).encode("utf-16").decode("utf-8", "replace"),
    "emoji": CONFIG + "a: " + "\U0001f600" * 16_000,
    "no-break spaces": _filled(":\u00a0"),
    "blanks": " " * 65_000,
    "lines": "\r" * 65_000,
    "a line": "x" * 65_000,
    "base64": "QUFB" * 16_000,
    "almost base64": "A" * 65_000 + "=x",
    "parts": "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=a\n\n" + "--a\n" * 16_000,
    "parts that are read": "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=a\n\n"
    + "--a\n\n#cloud-config\n" * 3000,
    "boundaries": "MIME-Version: 1.0\n" + "boundary=" * 7000 + "\n\n",
    "texts of an archive": "#cloud-config-archive\n" + "- |\n #cloud-config\n a: b\n" * 2500,
    "archives in archives": "#cloud-config-archive\n- |\n " * 2600,
    "JSON": "#cloud-config-jsonp\n" + "[" * 60_000,
    "JSON of one number": "#cloud-config-jsonp\n[" + "1" * 60_000 + "]",
    "JSON of Ignition": '{"a":' * 12_000,
}  # fmt: skip
