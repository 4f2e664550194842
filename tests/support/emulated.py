"""Instructions that this processor may lack, written in others."""

import re

from milonga.compute.convolutions.kernels import compile as compiling

_PAIRS = "llvm.x86.avx512bf16.dpbf16ps.512"
_FMA = "@llvm.fma.v16f32"
_WRITTEN = f"""
define internal <16 x float> @pairs(<16 x float> %total, <16 x i32> %x, <16 x i32> %y) {{
  %x.low = shl <16 x i32> %x, splat (i32 16)
  %y.low = shl <16 x i32> %y, splat (i32 16)
  %x.high = and <16 x i32> %x, splat (i32 -65536)
  %y.high = and <16 x i32> %y, splat (i32 -65536)
  %x0 = bitcast <16 x i32> %x.low to <16 x float>
  %y0 = bitcast <16 x i32> %y.low to <16 x float>
  %x1 = bitcast <16 x i32> %x.high to <16 x float>
  %y1 = bitcast <16 x i32> %y.high to <16 x float>
  %more = call <16 x float> {_FMA}(<16 x float> %x1, <16 x float> %y1, <16 x float> %total)
  %all = call <16 x float> {_FMA}(<16 x float> %x0, <16 x float> %y0, <16 x float> %more)
  ret <16 x float> %all
}}
"""


def emulate_bfloat16_pairs(monkeypatch):
    """Let AVX-512 BF16's sums of two products be computed by AVX-512; tell how many kernels had
    one.

    Source: Intel's Instruction Set Extensions Programming Reference, ``VDPBF16PS``.
    """
    compile_module, changed = compiling.compile_module, []

    def emulating(text):
        if _PAIRS in text:
            changed.append(text)
            text = re.sub(rf"(?m)^declare .*{re.escape(_PAIRS)}.*$", "", text)
            text = text.replace(f'@"{_PAIRS}"', "@pairs") + _WRITTEN
            if not re.search(r'(?m)^declare .*@"?llvm\.fma\.v16f32"?\(', text):
                kind = "<16 x float>"
                text += f"declare {kind} {_FMA}({kind}, {kind}, {kind})\n"
        return compile_module(text)

    monkeypatch.setattr(compiling, "compile_module", emulating)
    return changed
