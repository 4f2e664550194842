"""``milonga replay``: a take again, from its receipt."""

from __future__ import annotations

from pathlib import Path

import click

from milonga.cli.common import json_option, make_progress, print_json, say
from milonga.cli.songs.choices import make_generator


@click.command()
@click.argument("receipt", type=click.Path(path_type=Path))
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep the new rendering as this file.",
)
@json_option
def replay(receipt: Path, out: Path | None, as_json: bool) -> int:
    """Render a take again from RECEIPT (the .json beside it) and compare the samples.

    Says identical, close (with the difference in dB) or different; exit status 1 when different.
    """
    from milonga import audio
    from milonga.songs.rendering.receipts import read_receipt
    from milonga.songs.rendering.replay import replay as render_again

    path = receipt.with_suffix(".json") if receipt.suffix == ".wav" else receipt
    made = read_receipt(path)
    generator = make_generator(made.generator, made.request.options)
    result = render_again(made, path.parent, generator, make_progress())
    if out is not None:
        audio.write(out, result.clip, on_clip="level")
    if as_json:
        print_json(
            {
                "receipt": str(path),
                "verdict": result.verdict,
                "difference_db": result.difference_db,
                "reason": result.reason or None,
                "changes": list(result.changes),
                "sha256": result.sound.sha256,
                "sha256_then": made.sound.sha256,
                "out": str(out) if out else None,
            }
        )
    else:
        detail = result.reason
        if result.difference_db is not None:
            detail = f"the difference lies {-result.difference_db:.1f} dB under the take"
            if result.difference_db > 0:
                detail = f"the difference is {result.difference_db:.1f} dB louder than the take"
        click.echo(
            f"{made.generator}, seed {made.seed_used}: {result.verdict}"
            + (f" ({detail})" if detail else "")
        )
        for change in result.changes:
            say(f"  {change}")
    return 1 if result.verdict == "different" else 0
