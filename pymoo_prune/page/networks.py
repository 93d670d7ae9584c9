"""Cards of single networks; a card opens when its network is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from pymoo_prune.measuring import Layer
from pymoo_prune.page.html import bars, html_table, joined

GONE_TEXT = "gone"


def anchor(number: int) -> str:
    """The name that links to a network use."""
    return f"network-{number}"


def card(number: int, last: int, parts: Sequence[Markup], *, suggested: bool) -> Markup:
    """The card of one network, with links to its neighbours.

    Args:
        number: The network's number.
        last: The number of the last network.
        parts: The parts of the card.
        suggested: Whether the card is shown until another one is chosen.
    """
    neighbours = [(number - 1, "← previous"), (number + 1, "next →")]
    links = [
        Markup('<a href="#{}">{}</a>').format(anchor(place), text)
        for place, text in neighbours
        if 0 <= place <= last
    ]
    kind = "network suggested" if suggested else "network"
    return Markup(
        '<article class="{}" id="{}">\n<nav>{}<a href="#front">back to the front</a></nav>\n'
        "<h3>Network {}{}</h3>\n{}\n</article>"
    ).format(
        kind,
        anchor(number),
        joined(links),
        number,
        Markup(' <span class="quiet">the suggestion</span>') if suggested else "",
        joined(parts),
    )


def cards(networks: Sequence[Markup]) -> Markup:
    """Cards, of which one is visible: the chosen network's, or the suggested one's."""
    return Markup('<div class="networks">\n{}\n</div>').format(joined(networks))


def beside(left: Sequence[Markup], right: Sequence[Markup]) -> Markup:
    """Two sides, or one below the other where there is little room."""
    return Markup('<div class="sides"><div>{}</div><div>{}</div></div>').format(
        joined(left), joined(right)
    )


def where_pruned(shares: Mapping[str, float]) -> Markup:
    """The share of each layer's weights that is left, as bars.

    Args:
        shares: Shares, by the name of the parent's layer.
    """
    return Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(
        bars(shares),
        f"Weights left in each of {len(shares)} layers, in the network's own order; "
        "a whole column is the parent's layer.",
    )


def layer_table(layers: Sequence[Layer], parent: Sequence[Layer] | None = None) -> Markup:
    """A table of a network's layers.

    Args:
        layers: The network's layers.
        parent: The parent's layers, if they can be compared; the table then lists removed layers
            too.
    """
    before = {layer.name: layer for layer in parent or ()}
    after = {layer.name: layer for layer in layers}
    head = ["layer", "kind", "inputs", "outputs", "weights", "MACs"]
    rows = []
    for name in {**before, **after}:
        layer, whole = after.get(name), before.get(name) or after[name]
        if layer is None:
            cells = [GONE_TEXT, GONE_TEXT, _of(0, whole.weights), _of(0, whole.macs)]
        else:
            cells = [
                _of(layer.inputs, whole.inputs),
                _of(layer.outputs, whole.outputs),
                _of(layer.left, whole.weights),
                _of(layer.macs, whole.macs),
            ]
        left = layer.left / whole.weights if layer else 0.0
        rows.append((name, whole.kind.replace(" ", "\u00a0"), *cells, f"{100 * left:.1f}\u00a0%"))
    return html_table([*head, "left"], rows, texts=(0, 1))


def _of(part: int, whole: int) -> str:
    return f"{part:,}" if part == whole else f"{part:,} of {whole:,}"
