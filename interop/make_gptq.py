#!/usr/bin/env python3
"""Quantizes a model with GPTQModel, on the processor: make_gptq.py MODEL TEXT OUT gptq|awq BITS

GPTQ in act-order, AWQ with zero points, groups of 32. On two cores set GPTQMODEL_CPU_WORKERS=2.
"""

import sys

from gptqmodel import GPTQModel, QuantizeConfig

model, text, out, method, bits = sys.argv[1:]
if method == "gptq":
    config = QuantizeConfig(bits=int(bits), group_size=32, desc_act=True, sym=bits != "2", offload_to_disk=False)
else:
    config = QuantizeConfig(
        bits=int(bits), group_size=32, method="awq", format="gemm", sym=False, offload_to_disk=False
    )
text = open(text, encoding="utf-8").read()
quantized = GPTQModel.load(model, config, device="cpu")
quantized.quantize([text[i : i + 1200] for i in range(0, 64 * 1200, 1200)], batch_size=1)
quantized.save(out)
