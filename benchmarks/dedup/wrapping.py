"""What platforms and people put around a prompt without changing it."""

import random
import string

_PARAMETERS = (
    "--ar 16:9 --v 5", "--ar 3:2", "--v 5.2 --style raw", "--q 2 --s 750", "--stylize 250 --chaos 20", "--niji 5",
    "--seed 1234", "--aspect 2:3 --v 4", "--tile", "--iw 1.5 --v 6.0", "—ar 16:9", "–v 5 –q 2", "—style raw —s 50",
)  # fmt: skip
_TAILS = (
    "{user} (fast)", "{user} (relaxed)", "{user} (turbo, stealth)", "Upscaled (Beta) by {user} (fast)",
    "Upscaled by {user} (fast)", "Upscaled (Light) by {user} (relaxed)", "Variations by {user} (fast)",
    "Variations (Strong) by {user} (relaxed)", "Image #2 {user}", "Image #4 {user}", "{user} (31%) (fast)",
    "{user} (Waiting to start)", "Remix by {user} (fast)", "Remix (Subtle) by {user} (fast)",
)  # fmt: skip


def wrapped(text: str, choose: random.Random) -> str:
    """The prompt as a platform shows it: in bold with who asked for it, or only with links, weights and parameters."""
    inner = text
    if choose.random() < 0.12 and not text.endswith("?"):
        inner = f"{inner}::{choose.choice(('2', '1.5', '1'))}"
    if choose.random() < 0.15:
        inner = " ".join([*(_link(choose) for _ in range(choose.choice((1, 1, 2)))), inner])
    if choose.random() < 0.6:
        inner = f"{inner} {choose.choice(_PARAMETERS)}"
    if choose.random() < 0.08:
        inner = f"/imagine prompt: {inner}"
    if choose.random() < 0.75:
        user = f"<@{choose.randrange(10**17, 10**18)}>"
        return f"**{inner}** - {choose.choice(_TAILS).format(user=user)}"
    return inner if inner != text else f"{inner} {choose.choice(_PARAMETERS)}"


def _link(choose: random.Random) -> str:
    name = "".join(choose.choices(string.ascii_letters + string.digits, k=11))
    if choose.random() < 0.7:
        return f"<https://s.mj.run/{name}>"
    return f"https://cdn.discordapp.com/attachments/{choose.randrange(10**17, 10**18)}/{name}.png"


def other_case(text: str, choose: random.Random) -> str | None:
    """In capitals, small letters, or each word with a capital."""
    if not text.isascii() or "'" in text:
        return None
    return choose.choice((text.upper(), text.lower(), text.title(), text.capitalize()))


def other_spaces(text: str, choose: random.Random) -> str | None:
    """With more blanks, also of other kinds, at one place or all of them."""
    blank = choose.choice(("  ", "\t", " \u00a0", "   "))
    return choose.choice((f" {text}", f"{text}  ", text.replace(" ", blank), text.replace(" ", blank, 1)))


def other_punctuation(text: str, choose: random.Random) -> str | None:
    """With a mark at the end, quoted, or with commas set otherwise."""
    if text.endswith("?"):
        return None
    return choose.choice(
        (f"{text}.", f"{text} !", f"{text},", f'"{text}"', f"“{text}”", text.replace(", ", ",")),
    )
