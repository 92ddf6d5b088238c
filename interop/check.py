#!/usr/bin/env python3
"""Holds a model that Salient wrote, or reads, against programs of others.

    check.py KIND FOLDER LOGITS ID...

KIND: hf         Transformers loads the folder as it is
      hf-peft    Transformers loads the folder, PEFT the adapter inside it
      gptq       a reader written here from the format's description unpacks the codes, Transformers computes
      gptqmodel  GPTQModel's kernel unpacks every packed linear, in fp16, Transformers computes
      awq        a reader written here from AutoAWQ's description unpacks the codes, Transformers computes
      aqlm       Transformers loads the folder, the package aqlm computes with the codebooks
LOGITS is what Logits.java wrote for the same token ids. Prints the largest difference; exit status 1 where it is above 1e-3.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open


def tensors(folder):
    found = {}
    for file in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(file, "pt") as opened:
            for name in opened.keys():
                found[name] = opened.get_tensor(name)
    return found


def unpack_stream(words, count, bits):
    """[words, columns] of int32 -> [count, columns]: one stream of bits down each column, lowest first."""
    bytes_ = words.numpy().astype("<i4").T.copy().view(np.uint8)
    stream = np.unpackbits(bytes_, axis=1, bitorder="little")[:, : count * bits]
    return (stream.reshape(len(stream), count, bits) * (1 << np.arange(bits))).sum(2).T


def gptq_weight(found, module, quantization):
    grid = dict(quantization)
    for pattern, change in quantization.get("dynamic", {}).items():
        if re.match(pattern[2:] if pattern[1:2] == ":" else pattern, module):
            grid.update(change)
            break
    bits, group = grid["bits"], grid["group_size"]
    scales = found[module + ".scales"].float()
    outputs = scales.shape[1]
    order = found[module + ".g_idx"].long()
    codes = unpack_stream(found[module + ".qweight"], len(order), bits)
    less1 = 1 if grid["checkpoint_format"] == "gptq" else 0
    words = found[module + ".qzeros"].T
    if bits != 3:  # a field of 0 has borrowed from the next one of its word
        words = (words.long() + less1 * (0xFFFFFFFF // (2**bits - 1))).to(torch.int32)
        less1 = 0
    zeros = (unpack_stream(words, outputs, bits).T + less1) % 2**bits
    assert len(order) == group * len(scales)
    weight = scales[order] * torch.from_numpy(codes - zeros[order.numpy()]).float()
    return weight.T.contiguous()


def awq_weight(found, module, quantization):
    order = [0, 2, 4, 6, 1, 3, 5, 7]

    def unpack(words):
        nibbles = torch.stack([(words >> 4 * n) & 15 for n in range(8)], -1)
        return nibbles[..., [order.index(channel) for channel in range(8)]].flatten(1)

    scales = found[module + ".scales"].float()
    groups = torch.arange(len(found[module + ".qweight"])) // quantization["group_size"]
    codes = unpack(found[module + ".qweight"])
    return (scales[groups] * (codes - unpack(found[module + ".qzeros"])[groups])).T.contiguous()


def gptqmodel_weights(folder):
    from gptqmodel import BACKEND, GPTQModel

    theirs = GPTQModel.load(folder, device="cpu", backend=BACKEND.TORCH, dtype=torch.float16).model
    unpacked = {}
    for name, module in theirs.named_modules():
        if hasattr(module, "dequantize_weight"):
            unpacked[name] = module.dequantize_weight().T.float().contiguous()
    print(f"{len(unpacked)} linears unpacked by GPTQModel")
    return lambda found, module, quantization: unpacked[module]


def packed_model(folder, unpack):
    """The folder's model in fp32, every packed linear as `unpack` makes it."""
    from transformers import AutoModelForCausalLM, LlamaConfig

    settings = json.loads((Path(folder) / "config.json").read_text())
    quantization = settings.pop("quantization_config")
    found = tensors(folder)
    state = {}
    for name, tensor in found.items():
        if name.endswith(".qweight"):
            module = name.removesuffix(".qweight")
            state[module + ".weight"] = unpack(found, module, quantization)
        elif not name.endswith((".qzeros", ".scales", ".g_idx")):
            state[name] = tensor.float()
    model = AutoModelForCausalLM.from_config(LlamaConfig(**settings)).float()
    missing = model.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys and set(missing.missing_keys) <= {"lm_head.weight"}, missing
    model.tie_weights()
    return model


def load(kind, folder):
    from transformers import AutoModelForCausalLM

    if kind in ("gptq", "gptqmodel", "awq"):
        unpack = {"gptq": gptq_weight, "awq": awq_weight}.get(kind) or gptqmodel_weights(folder)
        return packed_model(folder, unpack)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if kind == "hf-peft":
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, folder + "/adapter")
    return model


def main():
    kind, folder, file, *ids = sys.argv[1:]
    model = load(kind, folder).eval()
    with torch.no_grad():
        theirs = model(torch.tensor([[int(i) for i in ids]])).logits[0].float().numpy()
    ours = np.fromfile(file, ">f4").reshape(theirs.shape)
    apart = np.abs(ours - theirs).max()
    largest = np.abs(ours).max()
    print(f"{kind:9} {folder}: logits {list(theirs.shape)} at most {apart:.1e} apart, the largest is {largest:.1f}")
    sys.exit(int(apart > 1e-3))


if __name__ == "__main__":
    main()
