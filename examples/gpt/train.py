"""Train the GPT on the bytes of a text, and let it write some.

    python examples/gpt/train.py [TEXT]

The text is the reference of the language, unless another file is given.
"""

import argparse
from pathlib import Path

import numpy as np
from tqdm import trange

import graphc

HERE = Path(__file__).parent
CONTEXT = 64


def main() -> None:
    """Train for some steps, and print what the model writes after the text's first bytes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path, nargs="?", default=HERE.parents[1] / "docs/language.md")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()

    text = np.frombuffer(options.text.read_bytes(), np.uint8).astype(np.int32)
    model = graphc.load_file(graphc.build(HERE / "gpt.gc", seed=options.seed).file, options.device)
    rng = np.random.default_rng(options.seed)
    with trange(options.steps, desc="training", unit="step") as steps:
        for _ in steps:
            starts = rng.integers(len(text) - CONTEXT, size=(options.batch, 1))
            places = starts + np.arange(CONTEXT)
            steps.set_postfix(loss=f"{float(model.train(text[places], text[places + 1])):.3f}")
    written = [text[:CONTEXT]]
    for _ in range(8):
        written.append(model.write(written[-1], np.float32(0.7)))
    print(np.concatenate(written).astype(np.uint8).tobytes().decode(errors="replace"))


if __name__ == "__main__":
    main()
