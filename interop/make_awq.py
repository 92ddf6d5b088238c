#!/usr/bin/env python3
"""Rounds a dense Hugging Face folder to 4 bits and writes it as AutoAWQ does (gemm).

    make_awq.py DENSE OUT

Min-max rounding in groups of 64, no search: this is about the layout. Packed by a few lines written from AutoAWQ's
description, then unpacked by GPTQModel's reader of that layout, where that package is installed, to be sure.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

GROUP = 64
ORDER = [0, 2, 4, 6, 1, 3, 5, 7]


def pack(codes):
    """[rows, channels] -> [rows, channels / 8] int32."""
    rows, channels = codes.shape
    words = torch.zeros(rows, channels // 8, dtype=torch.int64)
    for nibble, channel in enumerate(ORDER):
        words |= codes[:, channel::8].long() << (4 * nibble)
    return torch.where(words >= 1 << 31, words - (1 << 32), words).int()


def quantize(weight):
    """[out, in] -> qweight, qzeros, scales."""
    out, columns = weight.shape
    groups = weight.float().view(out, columns // GROUP, GROUP)
    high, low = groups.amax(2).clamp(min=0), groups.amin(2).clamp(max=0)
    scales = ((high - low) / 15).clamp(min=1e-5).half()
    zeros = (-low / scales.float()).round().clamp(0, 15)
    codes = (groups / scales.float()[..., None] + zeros[..., None]).round().clamp(0, 15).view(out, columns)
    return pack(codes.T.int()), pack(zeros.T.int()), scales.T.contiguous()


def check(name, found, weight_of):
    try:
        from gptqmodel.quantization.awq.utils.packing_utils import dequantize_gemm
    except ImportError:
        return
    qweight, qzeros, scales = found
    theirs = dequantize_gemm(qweight, qzeros, scales.float(), 4, GROUP)
    assert torch.equal(theirs.float(), weight_of(found)), name


def main():
    dense, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    from check import awq_weight

    tensors = {}
    for name, tensor in load_file(dense / "model.safetensors").items():
        if "_proj." in name:
            module = name.removesuffix(".weight")
            found = quantize(tensor)
            tensors |= dict(zip((module + ".qweight", module + ".qzeros", module + ".scales"), found))
            check(name, found, lambda _: awq_weight(tensors, module, {"group_size": GROUP}).T)
        else:
            tensors[name] = tensor
    save_file(tensors, out / "model.safetensors", {"format": "pt"})
    config = json.loads((dense / "config.json").read_text())
    config["quantization_config"] = {
        "quant_method": "awq", "bits": 4, "group_size": GROUP, "zero_point": True, "version": "gemm",
        "modules_to_not_convert": None,
    }
    (out / "config.json").write_text(json.dumps(config, indent=2))
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        if (dense / name).exists():
            shutil.copy(dense / name, out / name)


main()
