"""What a server wants of programs that visit it (RFC 9309)."""

from urllib.parse import urlsplit
from urllib.robotparser import RobotFileParser

from infra.errors import InputError, UnavailableError
from infra.http import Client


class Robots:
    """The rules of one host, asked for once."""

    def __init__(self, url: str, agent: str, client: Client) -> None:
        parts = urlsplit(url)
        self._agent = agent
        self._rules = RobotFileParser()
        place = f"{parts.scheme}://{parts.netloc}/robots.txt"
        answer = client.get(place)
        if answer.status >= 500:
            raise UnavailableError(f"{place} does not answer: status {answer.status}", "try again later")
        text = answer.body.decode(errors="replace") if answer.status == 200 else ""
        self._rules.parse(text.splitlines())

    @property
    def delay(self) -> float:
        """Seconds that it wants between requests."""
        return float(self._rules.crawl_delay(self._agent) or 0.0)

    def check(self, url: str) -> None:
        """Raises InputError when this address is not for programs."""
        if not self._rules.can_fetch(self._agent, url):
            raise InputError(f"{url} is not open to programs: its robots.txt says so", "ask its owner for the data")
