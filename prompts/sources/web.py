"""Prompts of a web API that gives JSON by pages. Each is kept when it comes: a stopped build goes on there."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from infra.artifacts import write_json, write_text
from infra.errors import InputError, UnavailableError
from infra.http import Answer, Client, user_agent
from infra.progress import Meter, console
from prompts.config import SourceConfig, WebConfig
from prompts.sources.columns import choose_column
from prompts.sources.reading import read_snapshot
from prompts.sources.robots import Robots
from prompts.sources.snapshots import PARTIAL, Request, take
from prompts.sources.source import Content

_STATE = "state.json"
_TEXT = "text"


def read_web(config: SourceConfig) -> Content:
    """Rows of all pages of an API, fetched once.

    Raises:
        InputError: a page is no JSON or made otherwise than the recipe says, pages go in a circle, or programs are not
            wanted.
        UnavailableError: it does not answer, or may not be asked. What was fetched is kept for the next build.
    """
    web = config.web or WebConfig()
    wanted = {
        "field": config.field,
        "web": web.model_dump(mode="json", exclude={"requests_per_second", "tries", "longest_wait_seconds"}),
    }
    request = Request(config.path, wanted)
    snapshot = take(
        request,
        pinned=None,
        refresh=config.refresh,
        resolve=lambda: _begun(request) or datetime.now(UTC).isoformat(timespec="microseconds"),
        fetch=partial(_fetch, config.path, config.field, web),
    )
    rows = config.model_copy(update={"field": _TEXT, "kind": "jsonl"})
    return read_snapshot(snapshot, rows, _shown(config.path), "web")


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}"


def _begun(request: Request) -> str | None:
    """The revision that a stopped build was fetching."""
    for state in request.home.glob(f"{PARTIAL}*/{_STATE}"):
        try:
            return str(json.loads(state.read_text(encoding="utf-8"))["revision"])
        except (ValueError, KeyError):
            continue
    return None


class _Page(NamedTuple):
    """One page: its number from 1, how it is asked for, and what tells it from others."""

    number: int
    ask: tuple[str, dict[str, Any]]
    records: list[Any]
    digest: str
    following: tuple[str, dict[str, Any]] | None


def _fetch(url: str, field: str | None, web: WebConfig, revision: str, folder: Path) -> Mapping[str, Any]:
    state_path = folder / _STATE
    state: dict[str, Any] = {"revision": revision, "pages": 0, "rows": 0, "seen": {}, "next": None, "field": field}
    if state_path.is_file():
        state = json.loads(state_path.read_text(encoding="utf-8"))
    ended = "the last page"
    with Meter(f"reading {_shown(url)} (pages)", None, state["pages"]) as meter:
        for page in _pages(url, web, state):
            if page.records and (earlier := state["seen"].get(page.digest)):
                if web.page_parameter is None or earlier != page.number - 1:
                    raise InputError(
                        f"{_shown(url)}: page {page.number} repeats page {earlier}",
                        "the API goes in a circle; check `web.next` and `web.cursor_parameter`",
                    )
                ended = f"page {page.number} repeats the one before"
                break
            records = page.records
            if web.max_rows is not None:
                records = records[: web.max_rows - state["rows"]]
            state["field"] = state["field"] or _choose(records, page, url)
            lines = "".join(f"{json.dumps(_text(record, state['field']), ensure_ascii=False)}\n" for record in records)
            write_text(folder / f"page-{page.number:06d}.jsonl", lines)
            state["seen"][page.digest] = page.number
            state |= {"pages": page.number, "rows": state["rows"] + len(records), "next": page.following}
            write_json(state_path, state)
            meter.reach(page.number)
            if web.max_rows is not None and state["rows"] >= web.max_rows:
                ended = f"max_rows ({web.max_rows})"
                break
        else:
            if state["next"] is not None:
                ended = f"max_pages ({web.max_pages})"
    if ended.startswith("max"):
        console.print(f"{_shown(url)}: stopped at {ended}", markup=False)
    state_path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        raise InputError(f"{_shown(url)} has no pages", "check the address")
    return {"pages": state["pages"], "rows": state["rows"], "field": state["field"], "ended": ended}


def _pages(url: str, web: WebConfig, state: Mapping[str, Any]) -> Iterator[_Page]:
    """Pages after those that `state` has, until there is none."""
    client = _client(web)
    robots = Robots(url, user_agent(), client)
    client.pause = max(client.pause, robots.delay)
    start: dict[str, Any] = dict(web.parameters)
    if web.page_parameter is not None:
        start[web.page_parameter] = web.first_page
    following: Any = (url, start) if not state["pages"] else state["next"]
    number = state["pages"]
    while following is not None and number < web.max_pages:
        number += 1
        address, parameters = following
        robots.check(address)
        answer = client.get(address, params=parameters)
        page = _page(answer, number, (address, parameters), web)
        following = page.following
        yield page


def _client(web: WebConfig) -> Client:
    headers = {"Accept": "application/json"}
    if web.token_variable is not None:
        token = os.environ.get(web.token_variable)
        if not token:
            raise InputError(f"the environment has no {web.token_variable}", "set it to the API's token")
        headers["Authorization"] = f"Bearer {token}"
    return Client(headers, tries=web.tries, longest_wait=web.longest_wait_seconds, pause=1.0 / web.requests_per_second)


def _page(answer: Answer, number: int, ask: tuple[str, dict[str, Any]], web: WebConfig) -> _Page:
    where = f"page {number} ({_shown(answer.url)})"
    if answer.status in (401, 403, 407):
        raise InputError(f"{where} is refused: status {answer.status}", "it may want a token: `web.token_variable`")
    if answer.status != 200:
        raise UnavailableError(f"{where} is refused: status {answer.status}", "check the address and its parameters")
    try:
        document = json.loads(answer.body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        kind = answer.headers.get("Content-Type", "unknown")
        raise InputError(f"{where} is not JSON but {kind}: {error}", "check the address and its parameters") from None
    records = _below(document, web.records)
    if not isinstance(records, list):
        shown = f"`{web.records}`" if web.records else "the page itself"
        raise InputError(
            f"{where}: {shown} is no list", f"name the list in `web.records`; there are: {_keys(document)}"
        )
    digest = sha256(json.dumps(records, sort_keys=True).encode()).hexdigest()
    return _Page(number, ask, records, digest, _following(document, records, ask, web, answer.url, where))


def _following(
    document: Any, records: list[Any], ask: tuple[str, dict[str, Any]], web: WebConfig, url: str, where: str
) -> tuple[str, dict[str, Any]] | None:
    address, parameters = ask
    if web.page_parameter is not None:
        return (address, {**parameters, web.page_parameter: parameters[web.page_parameter] + 1}) if records else None
    told = _below(document, web.next) if web.next else None
    if told is None or told in ("", False):
        return None
    if not isinstance(told, str | int):
        raise InputError(f"{where}: `{web.next}` is neither a cursor nor an address", "check `web.next`")
    if web.cursor_parameter is not None:
        if parameters.get(web.cursor_parameter) == told:
            raise InputError(f"{where} names itself as the next page", "check `web.next`")
        return address, {**parameters, web.cursor_parameter: told}
    link = urljoin(url, str(told))
    if urlsplit(link)[:2] != urlsplit(url)[:2]:
        raise InputError(f"{where} goes on at another server: {link}", "only one server is read; check `web.next`")
    return link, {}


def _below(document: Any, path: str) -> Any:
    """What a dotted path leads to; None where it ends early."""
    for key in path.split(".") if path else ():
        if isinstance(document, list) and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        elif isinstance(document, dict):
            document = document.get(key)
        else:
            return None
    return document


def _text(record: Any, field: str | None) -> dict[str, Any]:
    """The prompt alone: nothing else of a record is kept."""
    if not isinstance(record, dict):
        return {_TEXT: record}
    path, _, last = (field or "").rpartition(".")
    holder = _below(record, path)
    return {_TEXT: holder[last]} if isinstance(holder, dict) and last in holder else {}


def _choose(records: list[Any], page: _Page, url: str) -> str | None:
    objects = [record for record in records if isinstance(record, dict)]
    if not objects:
        return None
    columns = list(dict.fromkeys(name for record in objects for name in record))
    texts = [name for name in columns if any(isinstance(record.get(name), str) for record in objects)]
    return choose_column(texts, columns, f"page {page.number} of {_shown(url)}")


def _keys(document: Any) -> str:
    return ", ".join(map(str, document)) if isinstance(document, dict) else type(document).__name__
