"""Train the denoiser on points of a spiral, and say how near to it new points are.

python examples/diffusion/train.py
"""

import argparse
from pathlib import Path

import numpy as np
from tqdm import trange

import graphc

HERE = Path(__file__).parent


def spiral(turns: np.ndarray) -> np.ndarray:
    """Points of a spiral of radius 0 to 2."""
    angle = 3 * np.pi * turns
    return (2 * turns[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)).astype(np.float32)


def main() -> None:
    """Train for some steps, and print the distances of new points, and of noise, to the spiral."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()

    file = graphc.build(HERE / "diffusion.gc", seed=options.seed).file
    model = graphc.load_file(file, options.device)
    rng = np.random.default_rng(options.seed)
    with trange(options.steps, desc="training", unit="step") as steps:
        for _ in steps:
            loss = model.train(spiral(np.sqrt(rng.random(options.batch))))
            steps.set_postfix(loss=f"{float(loss):.3f}")
    curve = spiral(np.linspace(0, 1, 500))
    noise = rng.standard_normal((1000, 2), np.float32)
    for what, points in (("new points", model.sample()), ("noise", noise)):
        apart = np.linalg.norm(points[:, None] - curve, axis=2).min(axis=1)
        print(f"{what:10} are {np.median(apart):.2f} from the spiral (median)")


if __name__ == "__main__":
    main()
