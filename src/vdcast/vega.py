"""Vega, Vega-Lite and vegaEmbed, as ``vl-convert-python`` packs them."""

# 6.4, the newest in vl-convert-python 1.9, writes "undefined" into the tooltip of the nearest point.
VEGA_LITE = "6.1"


def vega(script: str) -> str:
    """All of Vega, Vega-Lite and vegaEmbed as one script (about 0.9 MB), with ``script``, which can call them."""
    import vl_convert  # loads a JavaScript engine: not for `--help`

    return vl_convert.javascript_bundle(script, vl_version=VEGA_LITE)
