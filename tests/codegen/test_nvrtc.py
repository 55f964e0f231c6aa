"""Kernel text compiles to machine code, the same bytes everywhere, with a clean log."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from graphc.codegen.device import FAMILIES, device_source
from graphc.codegen.nvrtc import Request, compile_all, compile_cubin, compile_ptx, version
from graphc.errors import InternalError, ToolchainError, UsageError

ARCHITECTURES = ("sm_80", "sm_90a", "sm_100")

# One call of every device function, so that every line of PTX reaches ptxas.
EVERY_DEVICE_FUNCTION = (
    device_source(FAMILIES)
    + r"""
#line 1 "every.cu"
extern "C" __global__ void every(float* f, double* d, unsigned short* h, unsigned* u,
                                 long long* order) {
  __shared__ __align__(16) unsigned short tile[1024];
  int i = threadIdx.x;
  h[i] = gc_f32_to_bf16(gc_f16_to_f32(h[i])) ^ gc_f32_to_f16(gc_bf16_to_f32(h[i + 32]));
  h[i + 64] = gc_f64_to_f16(gc_nan_minimum_f64(d[i], gc_nan_maximum_f64(d[i + 32], 1.0)));
  f[i + 32] = gc_nan_minimum_f32(f[i], gc_nan_maximum_f32(f[i + 32], f[i + 1]));
  f[i + 64] = gc_f8e4m3_to_f32(gc_f64_to_f8e4m3(d[i])) + gc_f8e4m3_to_f32(gc_f32_to_f8e4m3(f[i]));
  f[i + 96] = gc_f8e5m2_to_f32(gc_f64_to_f8e5m2(d[i])) + gc_f8e5m2_to_f32(gc_f32_to_f8e5m2(f[i]));
  gc_copy_async_16(tile + 8 * i, h + 8 * i, i < 31 ? 16 : 0);
  gc_copy_async_8(tile + 256 + 4 * i, h + 4 * i);
  gc_copy_async_4(tile + 512 + 2 * i, h + 2 * i);
  gc_copy_async_commit();
  gc_copy_async_wait<0>();
  __syncthreads();
  unsigned a[4], b[4];
  float c[4] = {};
  gc_load_matrices_x4(a, tile + 8 * i);
  gc_load_matrices_x2(b, tile + 8 * (i % 16));
  gc_mma_m16n8k16_bf16(c, a, b);
  gc_load_matrices_x4_transposed(a, tile + 8 * i);
  gc_load_matrices_x2_transposed(b, tile + 8 * (i % 16));
  gc_mma_m16n8k16_f16(c, a, b);
  f[i + 200] = c[0] + c[1] + c[2] + c[3];
  u[i] = gc_philox(1, i, 2);
  d[i + 200] = gc_erfinv_f64(gc_digamma_f64(gc_lgamma_f64(gc_erfc_f64(d[i]))));
  f[i + 400] = gc_logaddexp_f32(gc_nextafter_f32(f[i], f[i + 1]), gc_signbit_f32(f[i]));
  d[i + 300] = gc_bessel_j0_f64(gc_bessel_j1_f64(gc_bessel_y0_f64(gc_bessel_y1_f64(d[i]))));
  d[i + 400] = gc_airy_ai_f64(gc_airy_ai_slope_f64(gc_k0e_f64(gc_k1e_f64(d[i]))));
  f[i + 600] = gc_gammainc_f32(f[i], gc_gammaincc_f32(f[i], gc_betainc_f32(f[i], f[i], 0.5f)));
  f[i + 700] = gc_expn_f32(2.0f, gc_expi_f32(gc_dawsn_f32(f[i])));
  f[i + 800] = gc_gegenbauer_f32(gc_laguerre_f32(gc_hermite_f32(f[i], 5, 1), 6, 0), 7, 0.5f);
  d[i + 600] = gc_frexp_mantissa_f64(d[i]) + gc_frexp_exponent_f64(d[i]) + gc_gcd_i8(i, 6);
  gc_sort_runs_bf16(order, h, 512, 0, 16, 0, 512);
  gc_merge_runs_f64(order + 512, d, order, 512, 1, 16, 0, 512);
  gc_c128 z = gc_complex_f64(d[i], d[i + 1]);
  z = gc_exp_c128(gc_log_c128(gc_sqrt_c128(gc_sinh_c128(gc_cosh_c128(gc_tanh_c128(z))))));
  z = gc_asin_c128(gc_acos_c128(gc_atan_c128(gc_asinh_c128(gc_acosh_c128(gc_atanh_c128(z))))));
  z = gc_expm1_c128(gc_log1p_c128(z));
  z = gc_power_c128(gc_sin_c128(gc_cos_c128(gc_tan_c128(z))), gc_divide_c128(z, gc_conj_c128(z)));
  gc_c64 narrow = gc_shuffle_down(gc_c128_to_c64(z), 1);
  narrow = gc_power_c64(gc_exp_c64(narrow), narrow);
  gc_multiply_add_c64(&narrow, narrow, gc_subtract_c64(narrow, gc_negative_c64(narrow)));
  f[i + 500] = gc_abs_c64(gc_add_c64(gc_multiply_c64(narrow, narrow), narrow));
  d[i + 500] = gc_imag_c128(z) + gc_isfinite_c128(z) + gc_isinf_c128(z) + gc_equal_c128(z, z);
}
"""
)


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("fast", [False, True])
def test_device_functions_compile_with_a_clean_log(arch: str, fast: bool) -> None:
    kernel = compile_cubin(EVERY_DEVICE_FUNCTION, arch, name="every", fast=fast)
    assert kernel.log == ""
    assert kernel.code.startswith(b"\x7fELF")
    assert b"every" in kernel.code


def test_an_empty_log_is_written_to_no_bytes_of_python() -> None:
    """An empty log is one character, and bytes of one character are one object each."""
    kernel = compile_cubin('extern "C" __global__ void k() {}', "sm_80", name="k", fast=True)
    assert kernel.log == ""
    assert all(bytes([code])[0] == code for code in range(256))


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_compiles_alone(family: str) -> None:
    assert compile_ptx(device_source([family]), "compute_80", name=family, fast=True).log == ""


def test_ptx_names_the_kernel_and_the_target() -> None:
    text = compile_ptx(EVERY_DEVICE_FUNCTION, "compute_80", name="every").code.decode()
    assert ".entry every(" in text
    assert ".target sm_80" in text
    for instruction in ("ldmatrix.", "mma.sync.", "cp.async.cg.", "min.NaN.f32"):
        assert instruction in text


def test_products_and_sums_are_not_contracted() -> None:
    source = 'extern "C" __global__ void k(float* x) { x[0] = x[1] * x[2] + x[3]; }'
    text = compile_ptx(source, "compute_80", name="k").code.decode()
    assert "fma.rn" not in text
    assert "mul.f32" in text or "mul.rn.f32" in text


def test_bytes_do_not_depend_on_the_process_or_the_place(tmp_path: Path) -> None:
    script = (
        "import sys; from graphc.codegen.nvrtc import *;"
        "source = open(sys.argv[1]).read();"
        "k = compile_cubin(source, 'sm_90a', name=sys.argv[1]);"
        "sys.stdout.buffer.write(k.code + compile_ptx(source, 'compute_80', name='p').code)"
    )
    text = (
        device_source(FAMILIES)
        + """
extern "C" __global__ void k(double* d, unsigned short* h) {
  d[threadIdx.x] = gc_digamma_f64(gc_erfc_f64(d[threadIdx.x])) + gc_f16_to_f32(h[threadIdx.x]);
}"""
    )
    results = []
    for place in ("one", "another/deeper"):
        directory = tmp_path / place
        directory.mkdir(parents=True)
        source = directory / "kernel.cu"
        source.write_text(text)
        root = str(Path(__file__).parents[2])
        environment = {**os.environ, "PYTHONPATH": root}
        command = [sys.executable, "-c", script, str(source)]
        output = subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, check=True
        ).stdout
        assert output.startswith(b"\x7fELF")
        results.append(output)
    assert results[0] == results[1]


def test_many_compile_at_once_in_the_order_of_the_requests() -> None:
    requests = [
        Request(f'extern "C" __global__ void k{i}(int* x) {{ x[0] = {i}; }}', arch, f"k{i}", True)
        for i in range(4)
        for arch in ARCHITECTURES
    ]
    kernels = compile_all(requests)
    assert [(k.name, k.arch) for k in kernels] == [(r.name, r.arch) for r in requests]
    for i, kernel in enumerate(kernels):
        assert f"k{i // len(ARCHITECTURES)}".encode() in kernel.code
    assert (
        kernels[0].code
        == compile_cubin(requests[0].source, requests[0].arch, name="other", fast=True).code
    )
    assert compile_all([]) == []


def test_refused_text_comes_with_the_log() -> None:
    with pytest.raises(InternalError) as refused:
        compile_cubin('extern "C" __global__ void k() {\n  nonsense;\n}', "sm_80", name="bad")
    assert "refuses the text of bad for sm_80" in refused.value.message
    assert any("bad.cu(2)" in note and "nonsense" in note for note in refused.value.notes)


def test_warnings_are_in_the_log() -> None:
    source = 'extern "C" __global__ void k() { int unused_variable; }'
    assert "unused_variable" in compile_cubin(source, "sm_80", name="warned").log


@pytest.mark.parametrize("arch", ["sm_12", "compute_80", "80", "", "sm_80x", "sm_", "sm_80a"])
def test_unknown_architectures_are_refused_by_name(arch: str) -> None:
    with pytest.raises(UsageError, match="has no architecture"):
        compile_cubin("", arch, name="k")


def test_missing_package_says_what_to_install() -> None:
    script = (
        "import sys\n"
        "sys.modules['cuda'] = None\n"
        "from graphc.codegen.nvrtc import compile_cubin\n"
        "from graphc.errors import ToolchainError\n"
        "try: compile_cubin('', 'sm_80', name='k')\n"
        "except ToolchainError as error: print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    output = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert "NVRTC" in output
    assert "pip install '.[cuda]'" in output
    assert issubclass(ToolchainError, Exception)


def test_version_is_a_release_that_the_driver_contract_allows() -> None:
    assert version()[0] == 13
