"""Programs whose training steps share state: several models, a network that follows another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphc import api
from graphc.errors import GraphcError
from graphc.frontend.elaborate import elaborate
from graphc.library import library

ADVERSARIES = """
dim B: 1..16

model Generator:
    fc = Linear(2, 3)

    def forward(x: f32[B, 2]) -> f32[B, 3]:
        return fc(x)

model Discriminator:
    fc = Linear(3, 1)

    def forward(x: f32[B, 3]) -> f32[B, 1]:
        return fc(x)

def discriminate(net: Discriminator, made: Generator, x: f32[B, 2], y: f32[B, 3]) -> f32[]:
    return mean(net(made(x))) - mean(net(y))

def deceive(net: Generator, x: f32[B, 2], judge: Discriminator) -> f32[]:
    return -mean(judge(net(x)))

export generate = Generator.forward
export first = train_step(Discriminator, discriminate, sgd(lr=0.5))
export second = train_step(Generator, deceive, sgd(lr=0.5, name="other"))
"""

FOLLOWER = """
dim B: 1..16

model Values:
    fc = Linear(2, 3)

    def forward(x: f32[B, 2]) -> f32[B, 3]:
        return fc(x)

model Agent:
    own = Values()
    slow = Values()

    def follow(rate: f32[]):
        for one, other in zip(slow.parameters(), own.parameters()):
            update one = (1 - rate) * one + rate * other

def loss(net: Agent, x: f32[B, 2]) -> f32[]:
    return mse_loss(net.own(x), stop_gradient(net.slow(x) + 1))

export follow = Agent.follow
export train = train_step(Agent, loss, adamw(lr=0.1, weight_decay=0.5))
"""


def loaded(text: str) -> Any:
    unit = elaborate(text, "training.gc", library())
    return api.load_file(api.build(unit).file, "reference")


def test_a_loss_takes_several_models_and_trains_the_first() -> None:
    module = loaded(ADVERSARIES)
    x, y = np.ones((4, 2), np.float32), np.full((4, 3), 2, np.float32)
    made = module.generate(x)
    start = {name: np.array(value) for name, value in module.state_dict().items()}
    assert module.first(x, y).shape == ()
    middle = {name: np.array(value) for name, value in module.state_dict().items()}
    changed = {name for name in start if not np.array_equal(start[name], middle[name])}
    assert {"Discriminator.fc.weight", "optimizer.step"} >= changed
    slope = (made - y).mean(0)[None]
    weight = start["Discriminator.fc.weight"] - 0.5 * slope
    np.testing.assert_allclose(middle["Discriminator.fc.weight"], weight, rtol=1e-5)
    module.second(x)
    end = module.state_dict()
    bias = start["Generator.fc.bias"] + 0.5 * weight[0]
    np.testing.assert_allclose(end["Generator.fc.bias"], bias, rtol=1e-5)
    np.testing.assert_array_equal(end["Discriminator.fc.weight"], middle["Discriminator.fc.weight"])


def test_a_network_follows_another_and_is_not_trained() -> None:
    module = loaded(FOLLOWER)
    start = {name: np.array(value) for name, value in module.state_dict().items()}
    assert not any(name.startswith("optimizer.m.slow") for name in start)
    module.train(np.ones((2, 2), np.float32))
    trained = {name: np.array(value) for name, value in module.state_dict().items()}
    for part in ("fc.weight", "fc.bias"):
        np.testing.assert_array_equal(trained[f"slow.{part}"], start[f"slow.{part}"])
        assert np.any(trained[f"own.{part}"] != start[f"own.{part}"])
    module.follow(np.float32(0.25))
    for part in ("fc.weight", "fc.bias"):
        expected = 0.75 * start[f"slow.{part}"] + 0.25 * trained[f"own.{part}"]
        np.testing.assert_allclose(module.state_dict()[f"slow.{part}"], expected, rtol=1e-6)


def test_a_further_argument_without_a_type_is_refused_where_the_step_stands() -> None:
    with pytest.raises(GraphcError, match="'x' of deceive is not given") as caught:
        elaborate(
            ADVERSARIES.replace("deceive(net: Generator, x: f32[B, 2],", "deceive(net, x,"),
            "training.gc",
            library(),
        )
    assert caught.value.span is not None
