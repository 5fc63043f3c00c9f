"""One door for every status, one module for SQL, one clock, one room for the audit, and nothing inline on a screen."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

import pytest

from tests.house.source import ROOT, modules

Checker = Callable[[str, str], list[str]]
_SQL_HOMES = {"models/sql.py", "models/people.py", "models/driver.py", "models/triggers.py"} | {
    "models/inbox/views.py",
    "models/inbox/walk.py",
}
_CLOCK_HOMES = {"clock.py", "models/fields.py"}  # a UUIDv7 begins with the machine's time, which decides nothing
_SQL = re.compile(r"^\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|CREATE|DROP|ALTER|TRUNCATE)\s", re.S)
_SIGNALS = {"pre_save", "post_save", "pre_delete", "post_delete", "m2m_changed", "pre_init", "post_init", "receiver"}
_INLINE = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>|<style\b|\sstyle\s*=|<[^>]*\son[a-z]+\s*=|javascript:", re.I)


def calls(source: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the last part of the name it calls."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield getattr(node.func, "attr", getattr(node.func, "id", "")), node


def keywords(call: ast.Call) -> set[str | None]:
    return {keyword.arg for keyword in call.keywords}


def literal(node: ast.AST) -> str:
    """The text of a string or f-string as far as it is written down."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(literal(part) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return ""


def literals(source: str) -> Iterator[tuple[int, str]]:
    """Every text of a module with its line; an f-string is one text."""
    tree = ast.parse(source)
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in inner and literal(node):
            yield node.lineno, literal(node)


# -- the checkers: path inside hitl/ and source in, what is wrong out -------------------------------------


def status_writes(path: str, source: str) -> list[str]:
    """Assignments to `.status`, and updates or setattr that name it, outside the one door."""
    if path == "transitions.py":
        return []
    found = []
    for node in ast.walk(ast.parse(source)):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        parts = [part for target in targets if target is not None for part in ast.walk(target)]
        stores = isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign)
        if stores and any(isinstance(part, ast.Attribute) and part.attr == "status" for part in parts):
            found.append(f"{path}:{node.lineno} assigns a status")
    for name, call in calls(source):
        named = len(call.args) > 1 and literal(call.args[1]) == "status"
        listed = name == "bulk_update" and any(literal(part) == "status" for part in ast.walk(call))
        defaults = [k.value for k in call.keywords if k.arg in ("defaults", "create_defaults")]
        created = any(literal(key) == "status" for d in defaults if isinstance(d, ast.Dict) for key in d.keys if key)
        if (name == "update" and "status" in keywords(call)) or (name == "setattr" and named) or listed or created:
            found.append(f"{path}:{call.lineno} changes a status by {name}()")
    return found


def sql_status_writes(path: str, source: str) -> list[str]:
    """SQL text that sets a status."""
    sets = r"\bSET\b(?:(?!\bWHERE\b).)*\bstatus\s*="
    return [f"{path}:{line} sets a status in SQL" for line, text in literals(source) if re.search(sets, text, re.S)]


def raw_sql(path: str, source: str) -> list[str]:
    """SQL outside its home, by how it begins or by how it is run."""
    if path in _SQL_HOMES:
        return []
    found = []
    for name, call in calls(source):
        health = path == "web/health.py" and [literal(arg) for arg in call.args] == ["SELECT 1"]
        if name in ("execute", "executemany", "raw", "RawSQL", "extra") and not health and _is_database(name, call):
            found.append(f"{path}:{call.lineno} calls {name}()")
    begins = [(line, text) for line, text in literals(source) if _SQL.match(text) and text != "SELECT 1"]
    return found + [f"{path}:{line} holds SQL: {text[:40]!r}" for line, text in begins]


def _is_database(name: str, call: ast.Call) -> bool:
    # engine.execute() and the like run handlers: what runs SQL is a cursor, a connection, a manager or `sql`.
    owner = ast.unparse(call.func).rpartition(".")[0]
    return name in ("raw", "RawSQL", "extra") or any(word in owner for word in ("cursor", "connection", "sql", "plain"))


def audit_writes(path: str, source: str) -> list[str]:
    """AuditRecord made, changed or removed outside `audit/`."""
    if path.startswith("audit/"):
        return []
    found = [f"{path}:{call.lineno} makes an AuditRecord" for name, call in calls(source) if name == "AuditRecord"]
    verbs = r"create|bulk_create|get_or_create|update_or_create|update|bulk_update|delete"
    if re.search(rf"AuditRecord\.objects\b[^\n]*\.({verbs})\(", source):
        found.append(f"{path} writes AuditRecord rows")
    return found


def django_signals(path: str, source: str) -> list[str]:
    """Django's signals, but for the one after a migration."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            module, names = node.module or "", {alias.name for alias in node.names}
            foreign = "signals" in module.split(".") and module.startswith("django.") and names != {"post_migrate"}
            if foreign or (module.startswith("django") and names & _SIGNALS):
                found.append(f"{path}:{node.lineno} uses the signals {', '.join(sorted(names))}")
        if isinstance(node, ast.Import) and any(a.name.startswith(("django.dispatch", "blinker")) for a in node.names):
            found.append(f"{path}:{node.lineno} imports signals")
    return found


def whole_saves(path: str, source: str) -> list[str]:
    """save() that writes every column, and so undoes what others wrote meanwhile; a new row is no such thing."""
    fine = {"update_fields", "force_insert"}
    wrong = (call for name, call in calls(source) if name == "save" and not fine & keywords(call))
    return [f"{path}:{call.lineno} calls save() without update_fields" for call in wrong]


def other_clocks(path: str, source: str) -> list[str]:
    """The time, asked elsewhere than in clock.py."""
    if path in _CLOCK_HOMES:
        return []
    clocks = r"\b(timezone|datetime|date)\.(now|utcnow|today)\(|\btime\.time(_ns)?\(|\bNow\(\)"
    lines = enumerate(source.splitlines(), 1)
    return [f"{path}:{n} asks the time by itself" for n, line in lines if re.search(clocks, line)]


def unescaped(path: str, source: str) -> list[str]:
    """Markup made of text that nobody escaped."""
    words = r"\bmark_safe\b|\bSafeString\b|\|\s*safe(seq)?\b|\{%\s*autoescape off"
    lines = enumerate(source.splitlines(), 1)
    return [f"{path}:{n} marks text as safe" for n, line in lines if re.search(words, line)]


def inline(path: str, source: str) -> list[str]:
    """Scripts, styles and handlers inside a page: the Content-Security-Policy refuses them."""
    return [f"{path} holds {found.group().strip()!r}" for found in _INLINE.finditer(source)]


# -- the house --------------------------------------------------------------------------------------------

CHECKERS: list[Checker] = [
    status_writes,
    raw_sql,
    audit_writes,
    django_signals,
    whole_saves,
    other_clocks,
    unescaped,
]


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.__name__)
def test_every_module_keeps_the_rule(checker: Checker) -> None:
    assert [wrong for path, source in modules().items() for wrong in checker(path, source)] == []


def test_one_statement_sets_a_status_and_the_one_door_calls_it() -> None:
    found = [wrong for path, source in modules().items() for wrong in sql_status_writes(path, source)]
    assert len(found) == 1
    tree = ast.parse(modules()["models/sql.py"])
    claim = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "claim_step")
    assert sql_status_writes("models/sql.py", ast.unparse(claim)) != []
    callers = {path for path, source in modules().items() for name, _ in calls(source) if name == "claim_step"}
    assert callers == {"transitions.py"}


def pages() -> dict[str, str]:
    """The templates by path; mails and their texts are no pages of ours."""
    found = {
        path.relative_to(ROOT).as_posix(): path.read_text() for path in sorted((ROOT / "templates").rglob("*.html"))
    }
    return {path: text for path, text in found.items() if not path.startswith("templates/hitl/mail/")}


def test_pages_hold_nothing_inline() -> None:
    assert pages()
    assert [wrong for path, source in pages().items() for wrong in inline(path, source)] == []


def test_no_template_switches_escaping_off() -> None:
    html = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "templates").rglob("*.html")}
    assert [wrong for path, source in html.items() for wrong in unescaped(path, source)] == []


# -- the checkers can fail --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("checker", "source"),
    [
        (status_writes, "step.status = 'ready'"),
        (status_writes, "a, step.status = 1, 2"),
        (status_writes, "self.run.status: str = 'x'"),
        (status_writes, "Run.objects.filter(pk=1).update(status='failed')"),
        (status_writes, "setattr(step, 'status', 'ready')"),
        (status_writes, "Run.objects.bulk_update(rows, ['status'])"),
        (status_writes, "Run.objects.update_or_create(pk=1, defaults={'status': 'failed'})"),
        (raw_sql, "cursor.execute('SELECT 2')"),
        (raw_sql, "Run.objects.raw(text)"),
        (raw_sql, "TEXT = 'UPDATE hitl_run SET output = 1'"),
        (raw_sql, "text = f'DELETE FROM {table}'"),
        (audit_writes, "AuditRecord(stream='x')"),
        (audit_writes, "AuditRecord.objects.filter(seq=1).delete()"),
        (django_signals, "from django.db.models.signals import post_save"),
        (django_signals, "from django.dispatch import receiver"),
        (whole_saves, "run.save()"),
        (other_clocks, "at = timezone.now()"),
        (other_clocks, "at = datetime.now(UTC)"),
        (other_clocks, "at = time.time()"),
        (unescaped, "from django.utils.safestring import mark_safe"),
        (unescaped, "TEXT = '{{ title|safe }}'"),
    ],
)
def test_what_breaks_a_rule_is_found(checker: Checker, source: str) -> None:
    assert len(checker("engine/bad.py", source)) >= 1


@pytest.mark.parametrize(
    ("checker", "path", "source"),
    [
        (status_writes, "transitions.py", "row.status = to"),
        (status_writes, "engine/x.py", "rows.filter(status='ready'); t.move(step, 'ready'); old = step.status"),
        (raw_sql, "models/sql.py", "execute('UPDATE x SET y = 1')"),
        (raw_sql, "web/health.py", "cursor.execute('SELECT 1')"),
        (raw_sql, "engine/x.py", "execute(claimed); log('Update the row')"),
        (audit_writes, "audit/chain.py", "AuditRecord(stream='x')"),
        (django_signals, "apps.py", "from django.db.models.signals import post_migrate"),
        (django_signals, "engine/x.py", "from hitl.engine.signals import signal"),
        (whole_saves, "x.py", "run.save(update_fields=['output'])"),
        (other_clocks, "x.py", "clock.now(); time.monotonic()"),
    ],
)
def test_what_keeps_a_rule_is_left_alone(checker: Checker, path: str, source: str) -> None:
    assert checker(path, source) == []


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("<script>alert(1)</script>", 1),
        ("<style>b{}</style>", 1),
        ('<p style="color:red">', 1),
        ('<a href="#" onclick="go()">', 1),
        ('<a href="javascript:go()">', 1),
        ('<script src="/static/x.js" defer></script><link rel="stylesheet" href="/x.css">', 0),
        ('<p class="on style">only one = two</p>', 0),
    ],
)
def test_what_is_inline_is_found(source: str, wrong: int) -> None:
    assert len(inline("page.html", source)) == wrong


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("execute(\"UPDATE hitl_step SET status = 'ready'\")", 1),
        ('execute(f"UPDATE {t} SET a = 1, status = %s WHERE id = 1")', 1),
        ("execute(\"UPDATE hitl_step SET a = 1 WHERE status = 'ready'\")", 0),
    ],
)
def test_sql_that_sets_a_status_is_found(source: str, wrong: int) -> None:
    assert len(sql_status_writes("x.py", source)) == wrong
