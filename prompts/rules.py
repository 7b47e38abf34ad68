"""The grammar of platform text: what is taken out of a prompt, in which order.

Every rule is a linear-time regular expression (Rust's `regex`, through Polars). Their order matters and is tested: a
wrapper is recognised by the mention in its tail, so it goes before mentions do; `/imagine prompt:` is looked for only
after the `**` and the links in front of it are gone; parameters go after links, which may be values.
"""

from typing import NamedTuple

from prompts.traits import Trait


class Rule(NamedTuple):
    """Replace every match of `pattern`; the row is flagged with `flag` when that changes it."""

    flag: str | None
    needs: Trait
    """A text that has none of these traits cannot match."""
    pattern: str
    replacement: str = " "


_ID = r"<@[!&]?\w*>?"
_MENTION = rf"(?:{_ID}|@[\w.]+(?:\s?#\d{{4}})?)"
_MODES = r"fast|relax(?:ed)?|turbo|stealth"
_STATUS = rf"(?:\s*(?:\([^()]{{0,60}}\)|,\s*(?:{_MODES})\b))*"
_STATES = rf"\((?:{_MODES}|metered|edited|waiting|paused|stopped|open on|\d+%)[^()]{{0,60}}\)"
_JOB = (
    r"(?:upscaled|upscaling|variations?|remix(?:ed)?|remaster(?:ed)?|image\s*#\s*\d+|(?:custom\s+)?zoom|pan|make|vary"
    r"|redo|reroll|inpaint|outpaint|blend|retextured?|animated?)"
)
_NAMED_JOB = r"(?-i:[A-Z][a-z]+(?:\s[A-Z][a-z]+){0,3})(?:\s*\([^()]{0,40}\)){0,2}\s*by\s*"
"""Of any name, where an id follows: platforms find new ones."""
_DASH = "[-\u2010\u2011\u2012\u2013\u2014\u2015\u2212]"
_WIDE_DASH = "[\u2010\u2012\u2013\u2014\u2015\u2212]"
NUMBER = r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
_VALUE = rf"{NUMBER}(?:\s?[:/x]\s?{NUMBER})?"
_NUMERIC = (
    r"(?:aspect|ar|version|v|quality|q|stylize|s|chaos|c|seed|sameseed|stop|iw|cw|sw|ow|weird|w|h|niji|repeat|r|height"
    r"|width|exp|bs|mp|video|hd|motion|steps|cfg|cfg_scale)"
)
_CODE = r"(?:\d+|random|raw|[a-z]*\d\w*|cute|expressive|scenic|original)"
_END = r"(?-u:\b)"
"""Of a word of ASCII; the boundary of all words is slow beside other letters."""
_VALUED = rf"(?:{_NUMERIC}\s*=?\s*{_VALUE}|(?:profile|personalize)\s+{_CODE}|motion\s+(?:low|high)|end\s+loop){_END}"
_NO_WORDS = r"(?:niji|ar|iw|cw|ow|sref|cref|oref|iref|testp|upbeta|uplight|upanime|sameseed|stylize)"
"""Names that nobody writes for anything else."""
_SHORT_WORDS = r"(?:v|q|s|c|w|h|r|p|n|hd|sv|sw|bs|mp|exp|style|no)"
_SWITCH = (
    r"(?:hd|tile|testp|test|beta|creative|upbeta|uplight|upanime|video|fast|relax|turbo|stealth|public|raw|loop|draft"
    r"|hq|vibe|newclip|nostretch|remix|personalize|profile|aspect|version|quality|chaos|seed|stop|weird|repeat|height"
    r"|width|motion|end|steps|cfg)"
)
"""Words as well: parameters only where nothing but parameters follows."""
_WORDY = r"(?:style|sref|cref|oref|iref|sv|profile|personalize|p)"
_SHORT = r"(?:ar|aspect|v|q|s|c|iw|seed|w|h|n)"
_HOSTS = r"com|net|org|io|run|gg|me|co|ai|app|dev|tv|ly|ru|de|uk|fr|jp|cn|info|xyz"
_LOCAL_PART = r"(?i)(?:mailto:\s*)?[\w.+%'~^-]+\s?"
_DOT = r"(?:\.|\s?[\[(]\s?(?:dot|\.)\s?[\])]\s?)"
_DOMAIN = rf"\s?[\w-]+(?:{_DOT}[\w-]+)*{_DOT}\p{{L}}{{2,}}"
_PHONE = (
    # +49 30 1234567
    r"\+(?:[\s().-]{0,2}[0-9]){8,15}\b"
    # (555) 123-4567, 1-800-555-0199
    r"|(?:\b1[\s.-])?(?:\([2-9][0-9]{2}\)\s?|\b[2-9][0-9]{2}[\s.-])[0-9]{3}[\s.-][0-9]{4}\b"
    # 030 1234567, 020 7946 0958, 06 12 34 56 78
    r"|\b0[0-9]{1,4}[\s/-][0-9]{3,4}[\s-]?[0-9]{3,5}\b|\b0[0-9](?:[\s.-][0-9]{2}){4}\b"
    r"|\b(?i:tel|telephone|phone|call|mobile|whatsapp|fax)\b[\s.:]*(?:[\s().-]{0,2}[0-9]){7,15}\b"
)
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
_HEX = r"[0-9a-f]{1,4}:"
_IPV6 = (
    rf"(?i)\b(?:(?:{_HEX}){{7}}|(?:[23][0-9a-f]{{3}}:[0-9a-f]{{1,4}}|fe80|f[cd][0-9a-f]{{2}}):(?:[0-9a-f]{{0,4}}:){{1,5}})"
    r"[0-9a-f]{1,4}\b"
)
_TAGS = (
    r"(?:a|b|big|blockquote|body|br|button|center|code|div|em|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img"
    r"|input|kbd|label|li|link|main|mark|meta|nav|ol|p|pre|s|samp|script|section|small|span|strike|strong|style|sub|sup"
    r"|svg|table|tbody|td|th|thead|title|tr|tt|u|ul|video)"
)

REDACTION = (
    # Also when tokenised apart: `http : / / a.b`.
    Rule("link", Trait.SCHEME, r"(?i)<?(?:https?|ftp)\s*:\s*/\s*/\s*[^\s<>*]*>?"),
    Rule("link", Trait.WWW, r"(?i)<?www\.[^\s<>*]+>?"),
    Rule("link", Trait.WWW, rf"(?i)<?\bwww\s*\.\s*[^\s<>*]+(?:\s(?:{_HOSTS})\b)?>?"),
    Rule("email", Trait.AT, rf"{_LOCAL_PART}@{_DOMAIN}"),
    Rule("email", Trait.PAREN | Trait.SQUARE, rf"{_LOCAL_PART}[\[(]\s?at\s?[\])]{_DOMAIN}"),
    Rule("link", Trait.DOMAIN, rf"(?i)<?\b(?:[a-z0-9-]+\.)+(?:{_HOSTS})\b(?:/[^\s<>*]*)?>?"),
    # Also `<@U0G9QF9C6>`, `<#C024BE91L|general>`.
    Rule("mention", Trait.ANGLE, r"<@[!&]?\w+(?:\|[^<>]*)?\s?>|<#[A-Z0-9]+(?:\|[^<>]*)?>|<@[UW][A-Z0-9]+"),
    Rule("mention", Trait.ANGLE, r"<(?:@[!&]?|#)\s?\d*\s?>?"),
    Rule("mention", Trait.ANGLE, r"<a?:\w+:\d*>"),
    Rule("mention", Trait.AT, r"@[\w.]+(?:\s?#\d{4})?"),
    Rule("mention", Trait.HASH, r"\b\w{2,}#\d{4}\b"),
    # A user or message id whose brackets were lost.
    Rule("mention", Trait.LONG_NUMBER, r"\d{16,}"),
    Rule("phone", Trait.NUMBERS, _PHONE),
    Rule("address", Trait.NUMBERS, rf"\b(?:{_BYTE}\.){{3}}{_BYTE}\b(?::[0-9]{{1,5}}\b)?"),
    Rule("address", Trait.NUMBERS | Trait.PAIRED_COLONS, _IPV6),
)
"""What must not stay of anybody: links, e-mail and IP addresses, mentions, ids and telephone numbers."""

CHARACTERS = (
    # Escapes of HTML first: `&lt;@1&gt;` is a mention.
    Rule(None, Trait.AMPERSAND, r"&(?:amp;)+", "&"),
    Rule(None, Trait.AMPERSAND, r"&lt;", "<"),
    Rule(None, Trait.AMPERSAND, r"&gt;", ">"),
    Rule(None, Trait.AMPERSAND, r"&quot;", '"'),
    Rule(None, Trait.AMPERSAND, r"&(?:#0?39|#x27|apos);", "'"),
    Rule(None, Trait.AMPERSAND, r"&(?:#0?64|#x40|commat);", "@"),
    Rule(None, Trait.AMPERSAND, r"&(?:#160|nbsp);"),
    Rule("control", Trait.CONTROL, r"\x1b\[[0-9;?]*[A-Za-z]", ""),  # colours of a terminal
    Rule("control", Trait.CONTROL, r"[\p{Cc}--\t\n\r]|[\u{FFFD}\p{Co}]|\p{Zl}|\p{Zp}"),
    # The space of no width parts words; all others join letters or turn them.
    Rule("control", Trait.FOREIGN, r"\x{200B}+"),
    Rule("control", Trait.FOREIGN, r"\p{Cf}", ""),
    # What of a line's end is left by who wrote it down twice.
    Rule("control", Trait.BACKSLASH, r"(?:\\+[nr])+", "\n"),
    Rule(
        "markup",
        Trait.ANGLE | Trait.AMPERSAND | Trait.CONTROL | Trait.FOREIGN,
        rf"(?i)<\|\s?[a-z_]{{1,30}}\s?\|>|</?{_TAGS}(?:\s+[a-z:-]+\s*=[^<>]*)?\s*/?>|<!--[^<>]*-->",
    ),
)
"""After compatibility forms (NFKC)."""

FRAME = (
    # Quotes around all; task number; the sentence before the prompt; the tail `** - Upscaled (Beta) by <@id> (fast)`,
    # or the same in front; the bold marks.
    Rule("wrapper", Trait.BOLD | Trait.ANGLE, r'(?s)^\s*"\s*(\*\*.*|[^"]*(?:<@|\*\*)[^"]*)"\s*$', "${1}"),
    Rule("wrapper", Trait.SQUARE, r"^\W*\[\d{5,}[^\]]{0,40}\]"),
    Rule(
        "wrapper",
        Trait.BOLD,
        r"(?i)^\W*(?:making variations for image\s*#\s*\d+ with(?: prompt)?|(?:upscaling|upscaled) image\s*#\s*\d+ with"
        r"|rerolling|remixing|zooming out|panning)(?: prompt)?\s*:?\s*\*\*",
    ),
    Rule(
        "wrapper",
        Trait.AT,
        rf"(?i)\*{{0,2}}\s*{_DASH}\s*(?:(?:{_JOB}\b[^<>@*]{{0,80}})?{_MENTION}|{_NAMED_JOB}{_ID}){_STATUS}\s*$",
    ),
    Rule(
        "wrapper",
        Trait.AT,
        rf"(?i)^\s*{_DASH}\s*(?:{_JOB}\b[^<>@*]{{0,80}}|{_NAMED_JOB}){_ID}(?:\s*{_STATES})*",
    ),
    Rule(
        "wrapper",
        Trait.LEADING_DASH,
        rf"(?i)\*{{0,2}}\s+{_DASH}\s*(?:image\s*#?\s*\d+|{_JOB}(?:\s\p{{L}}+)?{_STATUS}\s*by){_STATUS}\s*$",
    ),
    Rule("wrapper", Trait.BOLD, rf"(?i)\*\*\s*(?:{_STATES}\s*)+$"),
    Rule("wrapper", Trait.PAREN, rf"(?i)\((?:waiting to start|paused|stopped)\)\s*(?:{_STATES}\s*)*$"),
    Rule("wrapper", Trait.BOLD, r"\*\*+"),
)
"""What the platform has put around a prompt."""

INSIDE = (
    Rule("link", Trait.SQUARE, r"(?i)\[([^\[\]]*)\]\(\s*<?(?:https?|ftp):[^()\s]*\s*\)", " ${1} "),
    *REDACTION,
    Rule("wrapper", Trait.SLASH, r"(?i)/imagine\b(?:\s*prompt\b)?\s*:?"),
    Rule("wrapper", Trait.COLON, r"(?i)^\W*(?:imagine\s+)?prompt\s*:"),
    Rule("wrapper", Trait.BANG, r"(?i)^\W*!dream\b"),
    # `Image #4` that lost its sign and its mention.
    Rule("wrapper", Trait.LAST_DIGIT, r"\s(?:Image [1-4]|Image #\d)\s*$"),
)
"""What is left of it in the text: who made it, from what, by which command."""

MARK = "\x1f"
"""Stands before a parameter that was recognised. No text has it: control characters have been taken out."""
_TWO = rf"(?:--\s?|{_WIDE_DASH}{_DASH}?)"
_AFTER_VALUE = rf"({MARK}\w+\s?[\d.:/x]+)"

DASHES = (
    # A name with its value, also glued to the word before: `a cube--ar 3:2--v 5`.
    Rule("parameters", Trait.DASHES, rf"(?i)--\s?({_VALUED})", f"{MARK}${{1}}"),
    # Telephones turn `--` into one long dash.
    Rule(
        "parameters",
        Trait.WIDE_DASH,
        rf"(?i)(^|[^\p{{L}}]){_WIDE_DASH}{_DASH}?(?:\s?({_VALUED})"
        rf"|((?:sref|cref|oref|iref|no)\s|(?:style|sv|p)\s+{_CODE}{_END}|niji{_END}))",
        f"${{1}}{MARK}${{2}}${{3}}",
    ),
    Rule("parameters", Trait.LEADING_DASH, rf"(?i)(^|\s)-({_SHORT}\s*{_VALUE})\b", f"${{1}}{MARK}${{2}}"),
)
"""Every parameter with a value gets its mark."""

NAMES = (
    # `--v-neck` is none.
    Rule("parameters", Trait.DASHES, rf"(?i)--\s?({_NO_WORDS})\b", f"{MARK}${{1}}"),
    Rule(
        "parameters",
        Trait.DASHES,
        rf"(?i)(?:\b{{start-half}}|{_AFTER_VALUE})--\s?({_SHORT_WORDS})([\s,;.)\"]|{MARK}|$)",
        f"${{1}}{MARK}${{2}}${{3}}",
    ),
    Rule(
        "parameters",
        Trait.DASHES | Trait.WIDE_DASH,
        rf"(?im)(?:\b{{start-half}}|{_AFTER_VALUE})(?:{_TWO}(?:{_SWITCH}|{_SHORT_WORDS})\b\s*)+"
        rf"([^\p{{L}}\p{{N}}{MARK}]*(?:{MARK}|$))",
        f"${{1}}{MARK}${{2}}",
    ),
    # Before any other word `--` is a dash.
    Rule(None, Trait.DASHES, r"(^|[\s(\[])-{2,}(\p{L})", "${1}${2}"),
    Rule(None, Trait.DASHES, r"([^\s-])-{2,}(\p{L})", "${1} - ${2}"),
)
"""So does every name alone; what is left is no parameter."""

SETTINGS = r"(?is)\bsteps\s*:\s*\d+\s*,\s*[a-z0-9][a-z0-9 ]{0,30}:.*$"
NEGATIVE = r"(?is)\bnegative\s+prompts?\s*:(.*)$"
LISTED = rf"(?i){MARK}no\s[^{MARK}]*"

PARAMETERS_OFF = (
    # What Stable Diffusion's web interfaces append.
    Rule("parameters", Trait.COLON, SETTINGS),
    Rule("parameters", Trait.COLON, NEGATIVE),
    Rule(
        "parameters",
        Trait.CONTROL,
        rf"(?i){MARK}(?:no\s[^{MARK}]*|{_WORDY}\b(?:\s+{_CODE}{_END})*|{_VALUED}|{_SHORT}\s*{_VALUE}|[a-z_]*)",
    ),
)

WEIGHTED_PART = rf"\s*:\s?:\s*-?{NUMBER}?"
UNWANTED_PART = rf"(?:[^:]|:\s?[^:\s])*:\s?:\s*-{NUMBER}"
UNWANTED_PARTS = rf"(^|:\s?:\s*{NUMBER}?)((?:{UNWANTED_PART})+)"
"""What is not to be seen, after the part before it."""
_INSIDE = r"[^():]*[^():\s\d]"
WEIGHTED_WORDS = rf"\(({_INSIDE})\s*:\s?{NUMBER}\s?\)"

_HIDING = Trait.BREAK | Trait.PAREN | Trait.SQUARE | Trait.CURLY | Trait.BACKSLASH

WEIGHTS = (
    # `a cube::2 a ball::.5`, `a ball::-.5`, `<lora:name:0.8>`, `(a cube:1.3)`, `((a cube))`, `[a cube]`.
    Rule("weights", Trait.PAIRED_COLONS, UNWANTED_PARTS, "${1}"),
    Rule("weights", Trait.PAIRED_COLONS, WEIGHTED_PART, ", "),
    Rule("weights", Trait.ANGLE, r"(?i)<(?:lora|hypernet|lyco|lycoris):[^<>]*>"),
    Rule("weights", Trait.BACKSLASH, r"\\([()\[\]{}])", "${1}"),
    Rule("weights", Trait.COLON, rf"\({{2,}}({_INSIDE}\s*:\s?{NUMBER}\s?)\){{2,}}", "(${1})"),
    Rule("weights", Trait.COLON, WEIGHTED_WORDS, "${1}"),
    Rule("weights", Trait.PAREN, r"\({2,}([^()]*)\){2,}", "${1}"),
    # Of `[from:to:when]` and `{one, other}` the picture shows one: the last, and any.
    Rule("weights", Trait.SQUARE, rf"\[[^\[\]:|]*:([^\[\]:|]*[^\[\]:|\d\s.][^\[\]:|]*):\s?{NUMBER}\]", "${1}"),
    Rule("weights", Trait.SQUARE, rf"\[([^\[\]:|]*)::?\s?{NUMBER}\]", "${1}"),
    Rule("weights", Trait.SQUARE, r"\[([^\[\]|]*)(?:\|[^\[\]]*)?\]", "${1}"),
    Rule("weights", Trait.CURLY, r"\{([^{},|]*)(?:[,|][^{}]*)?\}", "${1}"),
    # Joins two prompts; a poster may have the word, too. Brackets may have hidden it.
    Rule("weights", _HIDING, r"([,.;:\n)]\s*)BREAK\b", "${1},"),
    Rule("weights", _HIDING, r"(\p{Ll}\s+)BREAK(\s+[\p{Ll}(]|\s*[,\n]|\s*$)", "${1},${2}"),
)

# Each may make work for the next.
_UNTIDY = Trait.EMPTY | Trait.SPACES | Trait.SPACED_MARK | Trait.MARKS | Trait.EDGES
TIDY = (
    Rule(None, Trait.EMPTY, r"\(\s*\)|\[\s*\]|\{\s*\}"),
    Rule(None, Trait.EMPTY | Trait.SPACES, r"\s{2,}|[^\S ]"),
    Rule(None, Trait.EMPTY | Trait.SPACES | Trait.SPACED_MARK, r" ([,;.!?])", "${1}"),
    Rule(None, _UNTIDY ^ Trait.EDGES, r"(?:[,;]\s*){2,}", ", "),
    # Apart, as both can be tried without reading the whole text.
    Rule(None, _UNTIDY, r"^[\s,;:|*_~`-]+", ""),
    Rule(None, _UNTIDY, r"[\s,;:|*_~`-]+$", ""),
    Rule(None, _UNTIDY | Trait.QUOTED, r'^"\s*([^"]*?)\s*"$', "${1}"),
)
