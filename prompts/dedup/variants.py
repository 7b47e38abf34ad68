"""Two ways to spell one word: British and American ones, and small numbers in figures."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from prompts.kernels import kernel

_OUR = (
    "arm behavi clam col endeav fav flav glam harb hon hum lab neighb od parl rum savi sav splend val vap vig watercol "
    "multicol tricol discol"
)
_AFTER_OUR = " s ed ing ful less y er ers ite ites able hood fully ist"
_RE = "cent theat fib met lit kilomet centimet millimet calib lust sab spect scept somb och meag goit"
_AFTER_RE = " s d"
_ISE = (
    "styl real organ crystal crystall mesmer symbol custom minim maxim material visual fossil civil "
    "caramel character mechan motor general special summar optim human anim ideal miniatur"
)
_OUR_ISE = "col vap"
_AFTER_IS = "e es ed er ers ing ation ations"
_OTHERS = (
    "grey=gray greys=grays greyish=grayish greyscale=grayscale jewellery=jewelry aluminium=aluminum mould=mold "
    "moulds=molds moulded=molded mouldy=moldy moulding=molding plough=plow tyre=tire tyres=tires pyjamas=pajamas "
    "catalogue=catalog defence=defense moustache=mustache moustaches=mustaches sulphur=sulfur cosy=cozy "
    "woollen=woolen travelling=traveling traveller=traveler travellers=travelers jewelled=jeweled "
    "marvellous=marvelous panelled=paneled panelling=paneling modelled=modeled modelling=modeling "
    "enamelled=enameled swivelling=swiveling chequered=checkered yoghurt=yogurt artefact=artifact "
    "artefacts=artifacts doughnut=donut doughnuts=donuts analogue=analog sceptical=skeptical "
    "levelled=leveled spiralling=spiraling tunnelling=tunneling bevelled=beveled chiselled=chiseled "
    "2=two 3=three 4=four 5=five 6=six 7=seven 8=eight 9=nine 10=ten 11=eleven 12=twelve"
)


def respell(
    words: NDArray[np.int32], offsets: NDArray[np.int64], spellings: NDArray[np.uint8], starts: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Write all spellings of a word as the one that most use, figures as words, in place.

    Args:
        words, offsets, spellings, starts: as in `tokens.Tokens`.

    Returns:
        [N] prompts that were changed.
    """
    blob, bounds = spellings.tobytes(), starts.tolist()
    there = {blob[bounds[word] : bounds[word + 1]]: word for word in range(len(bounds) - 1)}
    meant = np.arange(len(bounds) - 1, dtype=np.int32)
    counts = _counts(words, len(meant))
    for spelling, others in _variants().items():
        present = [there[each] for each in (spelling, *others) if each in there]
        if len(present) > 1:
            in_figures = any(other.isdigit() for other in others)
            meant[present] = present[0] if in_figures else max(present, key=counts.__getitem__)
    return _replace(words, offsets, meant)


@kernel()
def _counts(words, size):
    counts = np.zeros(size, np.int64)
    for word in words:
        counts[word] += 1
    return counts


@kernel()
def _replace(words, offsets, meant):
    changed = np.zeros(len(offsets) - 1, np.bool_)
    for row in range(len(changed)):
        for place in range(offsets[row], offsets[row + 1]):
            if meant[words[place]] != words[place]:
                words[place] = meant[words[place]]
                changed[row] = True
    return changed


@lru_cache(maxsize=1)
def _variants() -> dict[bytes, list[bytes]]:
    """American → British, words → figures."""
    found: dict[str, list[str]] = {}
    for pair in _OTHERS.split():
        one, _, other = pair.partition("=")
        found.setdefault(other, []).append(one)
    for stem in _OUR.split():
        for after in _AFTER_OUR.split(" "):
            found.setdefault(f"{stem}or{after}", []).append(f"{stem}our{after}")
    for stem in _RE.split():
        for after in _AFTER_RE.split(" "):
            found.setdefault(f"{stem}er{'ed' if after == 'd' else after}", []).append(f"{stem}re{after}")
    for stem in _ISE.split():
        for after in _AFTER_IS.split():
            found.setdefault(f"{stem}iz{after}", []).append(f"{stem}is{after}")
    for stem in _OUR_ISE.split():
        for after in _AFTER_IS.split():
            found.setdefault(f"{stem}oriz{after}", []).extend(f"{stem}{middle}{after}" for middle in ("oris", "ouris"))
    return {one.encode(): [other.encode() for other in others] for one, others in found.items()}
