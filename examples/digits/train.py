"""Build the digits model, train it, and say how well it reads digits that it has not seen.

The data are 1,797 scans of handwritten digits, 8 by 8 pixels (E. Alpaydin and C. Kaynak,
"Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998), as
scikit-learn's package carries them.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from tqdm import trange

import graphc

HERE = Path(__file__).parent


def digits(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training and held-out images and labels: a fifth is held out."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(images))
    images = (images[order] / 16).astype(np.float32)
    labels = labels[order].astype(np.int32)
    held_out = len(images) // 5
    return images[held_out:], labels[held_out:], images[:held_out], labels[:held_out]


def main() -> None:
    """Train for some epochs and write the trained module beside the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output", type=Path, default=HERE / "trained.gcm")
    options = parser.parse_args()

    x, y, x_held_out, y_held_out = digits(options.seed)
    model = graphc.load_file(graphc.build(HERE / "mlp.gc", seed=options.seed).file, options.device)
    shuffle = np.random.default_rng(options.seed)
    with trange(options.epochs, desc="training", unit="epoch") as epochs:
        for _ in epochs:
            order = shuffle.permutation(len(x))
            for start in range(0, len(x), options.batch):
                batch = order[start : start + options.batch]
                loss = model.train(x[batch], y[batch])
            epochs.set_postfix(loss=f"{float(loss):.4f}")
    right = (model.predict(x_held_out).argmax(axis=1) == y_held_out).mean()
    print(f"accuracy on {len(y_held_out)} digits held out: {right:.2%}")
    print(f"wrote {os.path.relpath(model.save(options.output))}")


if __name__ == "__main__":
    main()
