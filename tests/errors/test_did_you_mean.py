"""Which names are taken for ones that were mistyped."""

from operator import attrgetter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphc
from graphc.cli import main
from graphc.errors import did_you_mean, nearest_name
from graphc.frontend.elaborate import elaborate
from graphc.ir.op import functions
from graphc.library import library

NAMES = [*functions, *library()]

MEANT = {
    "sofmax": "softmax",
    "soft_max": "softmax",
    "SoftMax": "softmax",
    "soft": "softmax",
    "maxpool2d": "max_pool2d",
    "Liner": "Linear",
    "LayerNrom": "LayerNorm",
    "relu_": "relu",
    "ff": "fft",
    "transp": "transpose",
}


@pytest.mark.parametrize("name", MEANT)
def test_mistyped(name: str) -> None:
    assert nearest_name(name, NAMES) == MEANT[name]


@pytest.mark.parametrize("name", ["q", "zz", "xx", "qzvxw", "my_own_block", "_", "", "h" * 1000])
def test_not_near(name: str) -> None:
    assert did_you_mean(name, NAMES) is None


def test_a_single_letter_is_not_what_was_meant() -> None:
    assert nearest_name("xx", ["x"]) is None
    assert nearest_name("X", ["x"]) == "x"


def test_earlier_groups_come_first() -> None:
    assert nearest_name("ff", ["ffn"], ["fft"]) == "ffn"
    assert nearest_name("ff", ["x"], ["fft"]) == "fft"


@given(st.sampled_from(NAMES), st.data())
def test_neighbours_that_change_places(name: str, data: st.DataObject) -> None:
    """Of three letters on; whatever is nearest is as near as the name itself."""
    place = data.draw(st.integers(0, max(0, len(name) - 2)))
    typed = name[:place] + name[place : place + 2][::-1] + name[place + 2 :]
    if len(name.replace("_", "")) > 2:
        assert nearest_name(typed, [name]) == name


@pytest.mark.parametrize(
    ("module", "name", "meant"),
    [
        (graphc, "soft_max", "softmax"),
        (graphc, "ff", "fft"),
        (graphc.linalg, "sovle", "solve"),
        (graphc.optim, "adamm", "adam"),
        (graphc.nn, "Linaer", "Linear"),
    ],
)
def test_names_of_modules(module: object, name: str, meant: str) -> None:
    with pytest.raises(AttributeError, match=f"no attribute '{name}': did you mean '{meant}'"):
        getattr(module, name)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("nn.functional", "at the top"),
        ("jit", r"graphc\.function"),
        ("jacrev", r"graphc\.jacobian"),
        ("numpy", "at the top"),
        ("lax", "at the top"),
        ("no_grad", "stop_gradient"),
        ("manual_seed", "seed=1"),
    ],
)
def test_names_of_other_libraries(name: str, instead: str) -> None:
    last = name.rpartition(".")[2]
    with pytest.raises(AttributeError, match=f"no attribute '{last}': .*{instead}"):
        attrgetter(name)(graphc)


def test_exports_of_a_module() -> None:
    export = graphc.Export(lambda x: x + x, (graphc.f32[3],))
    module = graphc.compile({"predict": export}, device="reference")
    with pytest.raises(AttributeError, match="'predikt'; did you mean 'predict'"):
        _ = module.predikt


def test_a_decorator() -> None:
    text = "model M:\n    @checkpint\n    def forward(x: f32[2]):\n        return x\n"
    with pytest.raises(graphc.GraphcError, match="did you mean 'checkpoint'"):
        elaborate(text + "export a = M.forward\n", "m.gc", library())


def test_a_command_and_an_export_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["buidl", "x.gc"])
    assert caught.value.code == 2 and "did you mean 'build'?" in capsys.readouterr().err
    export = graphc.Export(lambda x: x + x, (graphc.f32[3],))
    path = tmp_path / "m.gcm"
    graphc.compile({"predict": export}, device="reference").save(path)
    assert main(["run", str(path), "predct", "--device", "reference"]) == 1
    assert "did you mean 'predict'?" in capsys.readouterr().err
