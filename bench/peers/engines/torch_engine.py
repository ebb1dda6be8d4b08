"""PyTorch with transformers, eager. In FP32 it is the reference of all rows."""

from engines.torch_training import Trainer  # noqa: F401, one of what a module has

PACKAGES = ["torch", "transformers"]


class Engine:
    def __init__(self, folder, threads, precision):
        import torch
        import transformers

        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.torch = torch
        self.model = transformers.AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=dtype, attn_implementation="sdpa").eval()
        if precision == "int8":
            self.model = torch.ao.quantization.quantize_dynamic(
                self.model, {torch.nn.Linear}, dtype=torch.qint8)

    def prepare(self, batch):
        """Returns the function that is timed: from numpy ids to numpy logits."""
        torch, model = self.torch, self.model

        def run():
            with torch.inference_mode():
                logits = model(input_ids=torch.from_numpy(batch.ids),
                               attention_mask=torch.from_numpy(batch.mask)).logits
                return logits.float().numpy().copy()

        return run

    def logits(self, answer):
        return answer


class Generator:
    def __init__(self, folder, threads, precision):
        import torch
        import transformers

        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        self.torch = torch
        self.model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.bfloat16 if precision == "bf16" else torch.float32,
            attn_implementation="sdpa").eval()
        if precision == "int8":
            self.model = self._quantized()

    def _quantized(self):
        """Its layers are Conv1D, which quantize_dynamic leaves alone: made Linear first."""
        torch, layers = self.torch, []
        for block in self.model.transformer.h:
            layers += [(block.attn, "c_attn"), (block.attn, "c_proj"),
                       (block.mlp, "c_fc"), (block.mlp, "c_proj")]
        for parent, name in layers:
            old = getattr(parent, name)
            new = torch.nn.Linear(*old.weight.shape)
            new.weight = torch.nn.Parameter(old.weight.detach().t().contiguous())
            new.bias = old.bias
            setattr(parent, name, new)
        return torch.ao.quantization.quantize_dynamic(self.model, {torch.nn.Linear},
                                                      dtype=torch.qint8)

    def last_logits(self, row):
        with self.torch.inference_mode():
            ids = self.torch.tensor([row])
            return self.model(input_ids=ids, logits_to_keep=1).logits[0, -1].float().tolist()

    def generate(self, rows, count):
        torch, ids, past, new = self.torch, self.torch.tensor(rows), None, []
        with torch.inference_mode():
            for _ in range(count):
                out = self.model(input_ids=ids, past_key_values=past, use_cache=True,
                                 logits_to_keep=1)
                past, ids = out.past_key_values, out.logits[:, -1].argmax(-1, keepdim=True)
                new.append(ids)
        return torch.cat(new, 1).tolist()
