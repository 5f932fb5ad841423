"""One colour and line for each model, the same in every figure and on the page; no drawing library."""

import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """How a model is drawn: its family has the colour, its kind within the family the line."""

    colour: str
    line: str


# By the models' titles. Okabe and Ito's colours and four more; members of a family that share a colour differ
# in their line. Two colours that meet in a figure stay apart for colour-blind readers, too.
LOOKS = {
    "LEIGNN": Look("#D55E00", "-"),
    "Vanilla": Look("#D55E00", ":"),
    "Vanilla + NMU": Look("#D55E00", "--"),
    "LEIGNN-C": Look("#D55E00", "-."),
    "LEIGNN (component)": Look("#A34700", ":"),
    "PaiNN_Direct": Look("#0072B2", "-"),
    "PaiNN": Look("#0072B2", "--"),
    "GemNet-dT": Look("#332288", "-"),
    "GemNet-T": Look("#332288", "--"),
    "SchNet": Look("#009E73", "-"),
    "CGCNN": Look("#56B4E9", "-"),
    "MACE": Look("#CC79A7", "-"),
    "DimeNet++": Look("#E69F00", "-"),
    "NequIP": Look("#882255", "-"),
    "ForceNet": Look("#8AC7B7", "-"),
    "DeepPot-SE": Look("#5A3A1A", "-"),
    "LJ potential": Look("#111111", "-"),
    "CHGNet (pretrained)": Look("#117733", "-."),
}


def look(title: str) -> Look:
    """The look of the model called ``title``.

    "LEIGNN, …" and "LEIGNN (…)" have LEIGNN's colour. A model of a user's own has one of the colours, chosen
    by its name and not by its place among others.
    """
    if title in LOOKS:
        return LOOKS[title]
    for end in (" (", ", "):
        if (family := title.partition(end)[0]) in LOOKS:
            return Look(LOOKS[family].colour, ":")
    colours = sorted({known.colour for known in LOOKS.values()})
    return Look(colours[zlib.crc32(title.encode()) % len(colours)], "-.")
