"""Two ways to spell one word: British and American ones, and small numbers in figures."""

from functools import lru_cache

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


@lru_cache(maxsize=1)
def respellings() -> dict[bytes, bytes]:
    """Spelling → the one that stands for it: British → American, figures → word; it depends on no prompts."""
    found = {one: other for one, _, other in (pair.partition("=") for pair in _OTHERS.split())}
    found |= {f"{stem}our{after}": f"{stem}or{after}" for stem in _OUR.split() for after in _AFTER_OUR.split(" ")}
    for stem in _RE.split():
        found |= {f"{stem}re{after}": f"{stem}er{'ed' if after == 'd' else after}" for after in _AFTER_RE.split(" ")}
    for after in _AFTER_IS.split():
        found |= {f"{stem}is{after}": f"{stem}iz{after}" for stem in _ISE.split()}
        for stem in _OUR_ISE.split():
            found |= {f"{stem}{middle}{after}": f"{stem}oriz{after}" for middle in ("oris", "ouris")}
    return {one.encode(): other.encode() for one, other in found.items()}
